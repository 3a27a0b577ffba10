"""The function object: a run document that a program fills in, with MLRun's method names.

    fn = new_function("finetune", "nlp", image="registry.example.com/nlp/finetune:3")
    fn.set_env("EPOCHS", 3)
    fn.with_limits(mem="32Gi", gpus=1).with_preemption_mode("constrain")
    run = fn.run()

A function is changed in place and every method returns it; a run takes a copy (ADR-0019).
It must not know the bus: `run` hands the document to a session.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import msgspec

from runbus.contracts.durations import INFINITE
from runbus.contracts.states import Kind
from runbus.contracts.structure import check
from runbus.contracts.violations import Violation, ViolationCode
from runbus.sdk.functions.merging import with_changes
from runbus.sdk.functions.mounts import Mount
from runbus.sdk.functions.refusals import refused
from runbus.sdk.functions.roles import RoleMethods
from runbus.sdk.functions.scope import checked
from runbus.sdk.functions.spec import Metadata, Spec

if TYPE_CHECKING:
    from runbus.sdk.blocking import Run, Session

KIND_DEFAULT = Kind.JOB.value
# MLRun's words for kinds that have another name here.
_KINDS = {"remote": Kind.NUCLIO.value}
_HTTP_KINDS = (Kind.NUCLIO.value, Kind.SERVING.value)

Timeout = str | int | float


class Function(RoleMethods):
    """A run document in the making. `new_function` makes one; `run` submits it."""

    def __init__(
        self,
        name: str = "",
        project: str = "",
        *,
        kind: str | None = KIND_DEFAULT,
        image: str = "",
        command: str | Sequence[str] = "",
        args: Sequence[object] | None = None,
        **settings: Any,
    ) -> None:
        """Make a function.

        Args:
            name: of its runs; runs may have another.
            project: whose runs they are.
            kind: job, mpijob, spark, dask, nuclio or serving; None: the catalogue's function says.
            image: what runs.
            command: the container command; text is one element and never split.
            args: its arguments.
            settings: any other setting of the run document, in its own shape.

        Raises:
            RefusedSettingError: with everything that is wrong.

        """
        super().__init__({})
        given = {
            "project": project or None,
            "name": name or None,
            "kind": _KINDS.get(kind, kind) if kind is not None else None,
            "image": image or None,
            "command": command or None,
            "args": [str(each) for each in args] if args is not None else None,
        }
        self._put_all(with_changes(given, settings))
        self.spec = Spec(self)
        self.metadata = Metadata(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return a function that holds a run document.

        Raises:
            RefusedSettingError: with everything that is wrong.

        """
        found = cls(kind=None)
        return found._put_all(document)

    def to_dict(self) -> dict[str, Any]:
        """Return the run document, as plain values that may be changed."""
        return copy.deepcopy(self._settings)

    def to_json(self) -> str:
        """Return the run document as JSON text, which is YAML, too: `runbus submit -f` reads it."""
        return msgspec.json.format(msgspec.json.encode(self._settings), indent=2).decode()

    def copy(self, **changes: Any) -> Self:
        """Return a copy with changes, as in `run`; this one stays as it is."""
        return type(self).from_dict(self.document(**changes))

    def document(self, **changes: Any) -> dict[str, Any]:
        """Return the run document with changes for one run.

        Args:
            changes: settings of the run document: mappings are merged by key, `env` and `volumes`
                by name; None takes a setting out. `env` may be a mapping of Python's values.

        Raises:
            RefusedSettingError: one is wrong.

        """
        return checked(with_changes(self._settings, changes))

    def check(self) -> tuple[Violation, ...]:
        """Return what is wrong with the document by itself; the validator knows the defaults."""
        return check(self._settings).violations

    def setting(self, key: str) -> Any:
        """Return a copy of a setting of the document; None where it is not given."""
        return copy.deepcopy(self._get(key))

    def with_setting(self, key: str, value: object) -> Self:
        """Set any setting of the document, in its own shape; None takes it out.

        Raises:
            RefusedSettingError: it is wrong.

        """
        return self._put(key, value)

    def apply(self, modifier: Mount | Callable[[Self], object]) -> Self:
        """Add a mount, such as `mount_pvc(…)`, or let a function of yours change this one.

        Raises:
            RefusedSettingError: a volume of that name, or one at that path, is there already.

        """
        if not isinstance(modifier, Mount):
            modifier(self)
            return self
        return self._put("volumes", [*self._get("volumes", []), *modifier.volumes])

    def set_state_thresholds(self, state_thresholds: Mapping[str, str], patch: bool = True) -> Self:
        """Limit how long a run may stay in a state: {"image_pull_backoff": "30m"}.

        Args:
            state_thresholds: durations by state; "-1" is no limit.
            patch: False replaces what was given before.

        """
        before = dict(self._get("state_thresholds", {})) if patch else {}
        if "executing" in state_thresholds:  # MLRun's name of the same threshold
            before.pop("running", None)
        return self._put("state_thresholds", {**before, **state_thresholds})

    def with_retry(
        self,
        limit: int | None = None,
        *,
        on: Sequence[str] | None = None,
        backoff: Timeout | None = None,
        backoff_max: Timeout | None = None,
    ) -> Self:
        """Let failed attempts be followed by others.

        Args:
            limit: retries after the first attempt.
            on: classes (user, infrastructure), states or reasons.
            backoff: before the second attempt; it doubles. Seconds, or text such as "30s".
            backoff_max: the longest.

        """
        given = {
            "limit": limit,
            "on": list(on) if on is not None else None,
            "backoff": _duration(backoff),
            "backoff_max": _duration(backoff_max),
        }
        named = {key: each for key, each in given.items() if each is not None}
        return self._put("retry", {**self._get("retry", {}), **named})

    def with_labels(self, labels: Mapping[str, object]) -> Self:
        """Add labels to what the run creates; values become text."""
        texts = {key: str(value) for key, value in labels.items()}
        return self._put("labels", {**self._get("labels", {}), **texts})

    def with_annotations(self, annotations: Mapping[str, object]) -> Self:
        """Add annotations to what the run creates; values become text."""
        texts = {key: str(value) for key, value in annotations.items()}
        return self._put("annotations", {**self._get("annotations", {}), **texts})

    def set_image_pull_configuration(
        self, image_pull_policy: str | None = None, image_pull_secret_name: str | None = None
    ) -> Self:
        """Choose when the image is pulled, and with whose credentials."""
        given = {
            "image_pull_policy": image_pull_policy,
            "image_pull_secret": image_pull_secret_name,
        }
        return self._put_all({key: each for key, each in given.items() if each is not None})

    def with_security_context(
        self,
        run_as_user: int | None = None,
        run_as_group: int | None = None,
        fs_group: int | None = None,
    ) -> Self:
        """Choose as which user and groups the pod runs."""
        given = {"run_as_user": run_as_user, "run_as_group": run_as_group, "fs_group": fs_group}
        named = {key: each for key, each in given.items() if each is not None}
        return self._put("security_context", named)

    def with_http(
        self,
        workers: int | None = None,
        *,
        host: str | None = None,
        paths: Sequence[str] | None = None,
        worker_timeout: Timeout | None = None,
        gateway_timeout: Timeout | None = None,
    ) -> Self:
        """Set up the HTTP trigger of a nuclio or serving function.

        Args:
            workers: in each replica; default: the platform's, 1 as shipped (MLRun: 8).
            host: the ingress' host; none: no ingress.
            paths: the ingress' paths.
            worker_timeout: how long a request waits for a worker; seconds, or text such as "30s".
            gateway_timeout: of the ingress; must be longer.

        """
        self._check_has_triggers("with_http")
        given = {
            "workers": workers,
            "host": host,
            "paths": list(paths) if paths is not None else None,
            "worker_timeout": _duration(worker_timeout),
            "gateway_timeout": _duration(gateway_timeout),
        }
        return self._put_nuclio("http", given)

    def add_v3io_stream_trigger(
        self,
        stream_path: str,
        name: str = "stream",
        group: str = "serving",
        seek_to: str = "earliest",
        shards: int = 1,
        *,
        max_workers: int | None = None,
    ) -> Self:
        """Let a nuclio or serving function read a v3io stream: `v3io:///container/path`.

        The shards fix the replicas. A function reads one stream.
        """
        self._check_has_triggers("add_v3io_stream_trigger")
        given = {
            "path": stream_path, "name": name, "group": group, "seek_to": seek_to,
            "shards": shards, "max_workers": max_workers,
        }  # fmt: skip
        return self._put_nuclio("v3io_stream", given)

    def run(
        self,
        *,
        name: str | None = None,
        project: str | None = None,
        params: Mapping[str, Any] | None = None,
        state_thresholds: Mapping[str, str] | None = None,
        key: str | None = None,
        session: Session | None = None,
        **changes: Any,
    ) -> Run:
        """Submit a run of this function as it is now, and return its handle at once.

        Args:
            name: the run's; default: the function's.
            project: likewise.
            params: parameters, over those of the function.
            state_thresholds: limits, over those of the function.
            key: idempotency key: running again with it is the same run.
            session: where to; default: the session of this process (see `default_session`).
            changes: other settings for this run only, as in `document`.

        Raises:
            RefusedSettingError: a setting is wrong; nothing was sent.
            RunRejectedError: the validator refused it; every violation is in it.
            BusError: the bus or the validator cannot be reached.

        """
        from runbus.sdk.blocking import default_session

        given = {
            "name": name, "project": project, "parameters": params,
            "state_thresholds": state_thresholds,
        }  # fmt: skip
        named: dict[str, Any] = {key: each for key, each in given.items() if each is not None}
        where = session if session is not None else default_session()
        return where.run(self.copy(**named), key=key, **changes)

    def list_valid_priority_class_names(self, session: Session | None = None) -> list[str]:
        """Return the priority classes that a run in this function's project may name.

        The highest first. Empty where neither the operator nor the cluster lists any.
        """
        from runbus.sdk.blocking import default_session

        where = session if session is not None else default_session()
        return where.list_valid_priority_class_names(self._get("project", "default"))

    def __repr__(self) -> str:
        project, name = self._get("project", "?"), self._get("name", "?")
        return f"<Function {project}/{name} kind={self.kind} image={self._get('image')}>"

    def _repr_html_(self) -> str:
        from runbus.sdk.notebook import function_html

        return function_html(self._settings)

    def _check_has_triggers(self, method: str) -> None:
        if self.kind is not None and self.kind not in _HTTP_KINDS:
            hint = f"{method} is for functions that stay: make it of kind nuclio or serving"
            raise refused(
                "/nuclio",
                hint,
                given=f"kind {self.kind}",
                allowed=_HTTP_KINDS,
                code=ViolationCode.CONFLICT,
            )

    def _put_nuclio(self, trigger: str, given: Mapping[str, object]) -> Self:
        named = {key: each for key, each in given.items() if each is not None}
        return self._put("nuclio", {**self._get("nuclio", {}), trigger: named})


def new_function(
    name: str = "",
    project: str = "",
    *,
    kind: str = KIND_DEFAULT,
    image: str = "",
    command: str | Sequence[str] = "",
    args: Sequence[object] | None = None,
    **settings: Any,
) -> Function:
    """Return a new function; the arguments are those of `Function`."""
    return Function(name, project, kind=kind, image=image, command=command, args=args, **settings)


def import_function(url: str, *, project: str = "", new_name: str = "") -> Function:
    """Return a function of the catalogue, to be changed and run.

    Its settings stay in the catalogue: the validator fetches them, and what is set here wins.

    Args:
        url: `hub://[source/]name[:tag]`.
        project: whose runs they are.
        new_name: of its runs; default: the catalogue's name.

    """
    name = new_name or url.rpartition("/")[2].partition(":")[0].replace("_", "-").lower()
    return Function(name, project, kind=None, function=url)


def _duration(given: Timeout | None) -> str | None:
    """Return a duration as the document has it; a number means seconds, as MLRun takes it."""
    if given is None or isinstance(given, str):
        return given
    return INFINITE if given == -1 else f"{given:g}s"
