"""Sessions: where functions are run, and runs are found again. The async core.

    async with AsyncSession() as session:
        run = await session.run(fn, parameters={"epochs": 5})
        status = await run.wait(timeout=3600)

`blocking` has the same for programs without a loop, and for notebooks. Must not know Kubernetes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from runbus.contracts import envelope, subjects
from runbus.contracts.codec import decode
from runbus.contracts.replies import LintReply
from runbus.contracts.states import RunState
from runbus.contracts.violations import Violation, ViolationCode
from runbus.sdk.addresses import choose_target, user_of_this_machine
from runbus.sdk.client import VERDICT_TIMEOUT_S, Client, connect
from runbus.sdk.errors import BusRefusedError, BusUnreachableError
from runbus.sdk.functions.function import Function
from runbus.sdk.functions.merging import with_changes
from runbus.sdk.functions.refusals import refused
from runbus.sdk.handle import AsyncRun
from runbus.sdk.log_sources import LogSource, find_log_source
from runbus.sdk.outcomes import RunRejectedError
from runbus.sdk.submissions import prepared

CLIENT_NAME = "runbus-sdk"
# No class can be called so: a PriorityClass that was asked for by this name is always refused,
# and the refusal lists those that are allowed.
_NO_CLASS = "runbus-which-are-there"


class AsyncSession:
    """One connection to the bus, made when it is first needed."""

    def __init__(
        self,
        url: str | None = None,
        *,
        user: str = "",
        log_source: LogSource | None = None,
        **credentials: Any,
    ) -> None:
        """Make a session; nothing is connected yet.

        Args:
            url: `nats://[token@]host:port`, several separated by commas. Default: RUNBUS_NATS_URL,
                else the `runbus up` of this user, else nats://127.0.0.1:4222.
            user: who asks, for documents that name nobody; default: this machine's user.
            log_source: where the output of pods is read; default: what is installed for it.
            credentials: as in `connecting.connect`.

        """
        self._url = url
        self._user = user
        self._credentials = credentials
        self._log_source = log_source
        self._connecting = asyncio.Lock()
        self._client: Client | None = None
        self._stack = AsyncExitStack()

    @property
    def log_source(self) -> LogSource | None:
        """Where the output of pods is read; None where nothing is installed for it."""
        if self._log_source is None:
            self._log_source = find_log_source()
        return self._log_source

    async def run(
        self,
        function: Function | Mapping[str, Any],
        *,
        key: str | None = None,
        timeout_s: float = VERDICT_TIMEOUT_S,
        **changes: Any,
    ) -> AsyncRun:
        """Submit a run and return its handle, as soon as it is accepted.

        Args:
            function: a function, or a run document as plain values.
            key: idempotency key: running again with it is the same run.
            timeout_s: for the verdict.
            changes: settings for this run only, as in `Function.document`.

        Raises:
            RefusedSettingError: a setting is wrong; nothing was sent.
            RunRejectedError: the validator refused it; every violation is in it.
            BusTimeoutError: no verdict in time; with a key, running again is harmless.
            BusUnreachableError: the bus or the validator cannot be reached.

        """
        document = document_of(function, changes)
        client = await self._connected()
        reply = await client.submit(document, key=key, timeout_s=timeout_s)
        ref = f"{reply.project}/{reply.run_id or document.get('name', '?')}"
        if not reply.accepted:
            raise RunRejectedError(ref, None, reply.violations)
        record = await client.get(reply.project, reply.run_id)
        return AsyncRun(self, client, record, reply.warnings)

    async def lint(
        self, function: Function | Mapping[str, Any], *, timeout_s: float = VERDICT_TIMEOUT_S
    ) -> LintReply:
        """Return the validator's verdict on a document without running it, defaults merged in.

        Raises:
            BusUnreachableError: the bus or the validator cannot be reached.

        """
        raw = function.to_dict() if isinstance(function, Function) else dict(function)
        client = await self._connected()
        return await _lint(client, raw, timeout_s)

    async def get(self, run: str) -> AsyncRun:
        """Return the handle of a run: by `[project/]` and its id, the start of one, or its name.

        Raises:
            RunNotFoundError, AmbiguousRunError: none or several fit.

        """
        client = await self._connected()
        return AsyncRun(self, client, await client.find(run))

    async def list_runs(
        self, project: str | None = None, *, states: Collection[RunState | str] = ()
    ) -> list[AsyncRun]:
        """Return the runs of a project, or of all, that are in one of the states (or any)."""
        client = await self._connected()
        wanted = [RunState(each) for each in states]
        if RunState.UNKNOWN in wanted:
            known = [each.value for each in RunState if each is not RunState.UNKNOWN]
            hint = "choose among the states of runs"
            raise refused("/states", hint, given=", ".join(map(str, states)), allowed=known)
        found = await client.list_runs(project, states=wanted)
        return [AsyncRun(self, client, each) for each in found]

    async def list_valid_priority_class_names(self, project: str) -> list[str]:
        """Return the priority classes that a run may name, the highest first.

        Empty where neither the operator nor the cluster lists any.
        """
        question = {
            "project": project, "name": "question", "kind": "job", "image": "question",
            "priority_class": _NO_CLASS,
        }  # fmt: skip
        client = await self._connected()
        reply = await _lint(client, question, VERDICT_TIMEOUT_S)
        return _allowed_classes(reply.violations)

    async def close(self) -> None:
        """End the connection; the runs go on."""
        self._client = None
        await self._stack.aclose()

    async def __aenter__(self) -> Self:
        await self._connected()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _connected(self) -> Client:
        async with self._connecting:
            if self._client is None:
                target = choose_target(self._url, os.environ)
                try:
                    self._client = await self._stack.enter_async_context(
                        connect(
                            target.nats_url,
                            name=CLIENT_NAME,
                            identity=self._user or user_of_this_machine(),
                            **self._credentials,
                        )
                    )
                except BusUnreachableError as error:
                    text = (
                        f"{error} (address from {target.source}): start `runbus up`, or name"
                        " another bus, in RUNBUS_NATS_URL or as the session's url"
                    )
                    raise BusUnreachableError(text) from error
            return self._client


def document_of(
    function: Function | Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the document to submit; plain values are left to the validator to judge.

    Raises:
        RefusedSettingError: a setting of a function is wrong.

    """
    if isinstance(function, Function):
        return function.document(**changes)
    return with_changes(function, changes)


async def _lint(client: Client, raw: Mapping[str, Any], timeout_s: float) -> LintReply:
    body, project = prepared(raw)
    headers = {envelope.CONTENT_TYPE: envelope.JSON_TYPE}
    subject = subjects.api(subjects.API_LINT, project)
    reply = await client.bus.request(subject, body, headers, timeout_s=timeout_s)
    problem = envelope.header(reply.headers, "Nats-Service-Error")
    if problem is not None:
        text = f"spec-validator could not judge the document: {problem}"
        raise BusRefusedError(text)
    return decode(LintReply, reply.data)


def _allowed_classes(violations: Collection[Violation]) -> list[str]:
    for each in violations:
        if each.path == "/priority_class" and each.code == ViolationCode.NOT_ALLOWED.value:
            return list(each.allowed) if isinstance(each.allowed, list | tuple) else []
    return []
