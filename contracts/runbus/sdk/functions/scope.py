"""Settings that a whole run and one role of it have alike, under MLRun's method names.

Each method changes what it is called on, and returns it, so that statements and chains both work.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from runbus.contracts.document import PreemptionMode
from runbus.contracts.document_rules import GPU_TYPE_DEFAULT
from runbus.contracts.structure import check
from runbus.contracts.violations import ViolationCode
from runbus.sdk.functions.dotenv_files import read_env_file
from runbus.sdk.functions.environment import env_entry, with_entry
from runbus.sdk.functions.kube_shapes import kube_list, kube_value
from runbus.sdk.functions.refusals import RefusedSettingError, refused

Quantity = str | int | float


class Scope:
    """What settings are given to: a run document, or one role in it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings

    def set_env(self, name: str, value: object = None, value_from: object = None) -> Self:
        """Set an environment variable; one of the same name is replaced in its place.

        Args:
            name: the variable's.
            value: text; numbers and booleans become text as `str` gives it.
            value_from: a Secret's or ConfigMap's key or a pod's field, in Kubernetes' shape.

        Raises:
            RefusedSettingError: it cannot be; nothing is changed.

        """
        return self._set_entries([env_entry(name, value, value_from)])

    def set_envs(
        self,
        env_vars: Mapping[str, object] | None = None,
        file_path: str | Path | None = None,
    ) -> Self:
        """Set several environment variables: from a mapping, or from a dotenv file.

        Args:
            env_vars: values as in `set_env`.
            file_path: a dotenv file; `${VAR}` in it stays as it is.

        Raises:
            RefusedSettingError: both, neither, or a value that cannot be; nothing is changed.
            DotenvError: the file cannot be read, or a line in it is no setting.

        """
        if (env_vars is None) == (file_path is None):
            hint = "give env_vars or file_path: one of the two"
            raise refused("/env", hint, code=ViolationCode.NO_SOURCE)
        found = read_env_file(file_path) if file_path is not None else env_vars
        return self._set_entries([env_entry(name, value) for name, value in (found or {}).items()])

    def set_env_from_secret(self, name: str, secret: str, secret_key: str | None = None) -> Self:
        """Set an environment variable from a key of a Secret; the key defaults to the name."""
        entry = {"name": name, "secret": {"name": secret, "key": secret_key or name}}
        return self._set_entries([entry])

    def get_env(self, name: str, default: str | None = None) -> str | None:
        """Return a variable's value; the default where it is not set, or is a reference."""
        found = (each for each in self._get("env", []) if each["name"] == name)
        entry: dict[str, Any] = next(found, {})
        return str(entry["value"]) if "value" in entry else default

    def is_env_exists(self, name: str) -> bool:
        """Say whether a variable is set here, whatever from."""
        return any(each["name"] == name for each in self._get("env", []))

    def with_requests(
        self, mem: Quantity | None = None, cpu: Quantity | None = None, *, patch: bool = True
    ) -> Self:
        """Set what is kept free for the container, in Kubernetes' quantities.

        Args:
            mem: memory, such as "1Gi".
            cpu: CPUs, such as "500m".
            patch: False replaces all requests, as MLRun does by default (ADR-0019).

        """
        named = _named(memory=mem, cpu=cpu)
        if not named:
            raise refused("/resources/requests", "give mem or cpu", code=ViolationCode.EMPTY)
        before = self._get("resources", {})
        requests = {**(before.get("requests", {}) if patch else {}), **named}
        return self._put("resources", {**before, "requests": requests})

    def with_limits(
        self,
        mem: Quantity | None = None,
        cpu: Quantity | None = None,
        gpus: int | None = None,
        gpu_type: str = GPU_TYPE_DEFAULT,
        *,
        patch: bool = True,
    ) -> Self:
        """Set the most that the container may use, and its GPUs.

        Args:
            mem: memory, such as "2Gi".
            cpu: CPUs, such as 2.
            gpus: how many; 0 removes inherited ones.
            gpu_type: the resource's name.
            patch: False replaces all limits and GPUs, as MLRun does by default (ADR-0019).

        """
        named = _named(memory=mem, cpu=cpu)
        if not named and gpus is None:
            raise refused("/resources/limits", "give mem, cpu or gpus", code=ViolationCode.EMPTY)
        before = self._get("resources", {})
        if not patch:
            before = {key: each for key, each in before.items() if key not in ("limits", "gpus")}
        if named:
            before = {**before, "limits": {**before.get("limits", {}), **named}}
        if gpus is not None:
            before = {**before, "gpus": {"type": gpu_type, "count": gpus}}
        return self._put("resources", before)

    def with_preemption_mode(self, mode: PreemptionMode | str | None) -> Self:
        """Choose whether spot nodes may be used: allow, constrain, prevent or none.

        None takes the own choice back: a default decides.
        """
        return self._put("preemption_mode", mode)

    def with_priority_class(self, name: str | None = None) -> Self:
        """Choose a priority class; without a name, a default decides."""
        return self._put("priority_class", name)

    def with_node_selection(
        self,
        node_name: str | None = None,
        node_selector: Mapping[str, str] | None = None,
        affinity: object = None,
        tolerations: object = None,
    ) -> Self:
        """Choose nodes; each argument that is given replaces what was given before.

        Args:
            node_name: this very node.
            node_selector: labels; an empty value cancels a default of the project or service.
            affinity: Kubernetes' own: a mapping with its camelCase keys, or a client's object.
            tolerations: likewise; one, or a list.

        """
        given = {
            "node_name": node_name or None,
            "node_selector": dict(node_selector) if node_selector is not None else None,
            "affinity": kube_value(affinity),
            "tolerations": kube_list(tolerations) if tolerations is not None else None,
        }
        return self._put_all({key: each for key, each in given.items() if each is not None})

    def _set_entries(self, entries: list[dict[str, Any]]) -> Self:
        found = list(self._get("env", []))
        for entry in entries:
            found = with_entry(found, entry)
        return self._put("env", found)

    def _get(self, key: str, default: Any = None) -> Any:
        return self._settings.get(key, default)

    def _put(self, key: str, value: object) -> Self:
        return self._put_all({key: value})

    def _put_all(self, changes: Mapping[str, object]) -> Self:
        """Keep settings in the contracts' normal form; None takes one out.

        Raises:
            RefusedSettingError: one is wrong; none is kept.

        """
        given = {key: each for key, each in changes.items() if each is not None}
        sound = self._checked(given)
        for key in changes:
            if key in sound:
                self._settings[key] = sound[key]
            else:
                self._settings.pop(key, None)
        return self

    def _checked(self, settings: Mapping[str, object]) -> dict[str, Any]:
        return checked(settings)


def checked(settings: Mapping[str, object], *, about: str = "") -> dict[str, Any]:
    """Return settings in the contracts' normal form.

    Raises:
        RefusedSettingError: with everything that is wrong.

    """
    found = check(dict(settings))
    if found.violations:
        raise RefusedSettingError(found.violations, about)
    return found.settings


def _named(**quantities: Quantity | None) -> dict[str, Quantity]:
    return {name: each for name, each in quantities.items() if each is not None}
