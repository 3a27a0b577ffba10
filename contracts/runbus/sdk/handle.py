"""The handle of one run: how it stands, its end, events and logs, and what can be done to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from runbus.contracts.events import RunRejected
from runbus.contracts.states import RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.violations import Violation
from runbus.sdk.client import AbortAnswer, Client
from runbus.sdk.deliveries import until_final
from runbus.sdk.functions.merging import with_changes
from runbus.sdk.log_lines import LogLines
from runbus.sdk.outcomes import RunRejectedError, outcome_error, timeout_error
from runbus.sdk.rerunning import document_of_run, with_rerun_of
from runbus.sdk.runs import EventRecord, RunNotFoundError, RunRecord
from runbus.sdk.verdicts import verdict_event

if TYPE_CHECKING:
    from runbus.sdk.session import AsyncSession


class AsyncRun:
    """One run. `status` is the newest that this handle has seen; `refresh` reads it anew."""

    def __init__(
        self,
        session: AsyncSession,
        client: Client,
        seen: RunRecord,
        warnings: Sequence[Violation] = (),
    ) -> None:
        self._session = session
        self._client = client
        self._status, self._sequence = seen.status, seen.sequence
        self._warnings = tuple(warnings)

    @property
    def id(self) -> str:
        """The run's id: 12 characters, unique."""
        return self._status.run_id

    @property
    def project(self) -> str:
        """Whose run it is."""
        return self._status.project

    @property
    def name(self) -> str:
        """The document's name."""
        return self._status.name

    @property
    def ref(self) -> str:
        """`<project>/<run id>`: names exactly one run, also on the command line."""
        return f"{self.project}/{self.id}"

    @property
    def status(self) -> RunStatus:
        """The whole status."""
        return self._status

    @property
    def state(self) -> RunState:
        """Where the run stands."""
        return self.status.state

    @property
    def warnings(self) -> tuple[Violation, ...]:
        """What the validator found doubtful when this handle submitted the run."""
        return self._warnings

    async def refresh(self) -> RunStatus:
        """Read the status from the bus and return it; a final one is never read again."""
        if not self._status.state.is_final:
            self._take(await self._client.get(self.project, self.id))
        return self._status

    async def wait(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - a limit on the run, not on this call
        *,
        raise_on_failure: bool = True,
    ) -> RunStatus:
        """Wait until the run is over and return its final status.

        Args:
            timeout: seconds; None waits for as long as it takes.
            raise_on_failure: False returns the final status whatever it is.

        Raises:
            RunFailedError, RunAbortedError, RunRejectedError: how it ended, with the status.
            RunTimeoutError: it was not over in time. The run goes on.

        """
        if not self._status.state.is_final:
            try:
                async with (
                    asyncio.timeout(timeout),
                    self._client.events(self.project, self.id) as events,
                ):
                    self._take(await until_final(events))
            except TimeoutError as error:
                raise timeout_error(self.ref, await self.refresh(), timeout or 0) from error
        if raise_on_failure:
            await self._raise_unless_completed()
        return self._status

    async def events(self) -> AsyncIterator[EventRecord]:
        """Yield the run's events from its first one on, as they come, to its final one."""
        async with self._client.events(self.project, self.id) as events:
            async for event in events:
                self._take(event)
                yield event

    async def logs(self, follow: bool = False, *, attempt: int | None = None) -> AsyncIterator[str]:
        """Yield the lines of the main container's output.

        Those of a pod come from the cluster, where the session has a way there; what is over is
        kept on the bus, its last lines, and outlives the pods.

        Args:
            follow: go on as more is written, until the run is over. Without a way to the cluster
                the lines of an attempt come when it has ended.
            attempt: only this one's; default: all, in their order.

        """
        reading = LogLines(self._client, await self.refresh(), self._session.log_source)
        async for line in reading.following(attempt) if follow else reading.now(attempt):
            yield line

    async def abort(self, reason: str = "") -> RunStatus:
        """Ask for the end of the run, and return its status; a run that is over stays as it is.

        Args:
            reason: why, for people.

        """
        self._take(await self._client.abort(self.project, self.id, message=reason))
        return self._status

    async def rerun(self, *, key: str | None = None, **changes: Any) -> AsyncRun:
        """Submit what this run was asked for again, with changes, and return the new handle.

        Defaults are set anew (ADR-0010); the new run names this one in an annotation.

        Args:
            key: idempotency key.
            changes: settings for the new run, as in `Function.document`.

        Raises:
            RunRejectedError: the new run was refused; or this one was, and has no document.
            RunNotFoundError: this run ended so long ago that its document is gone.

        """
        document = with_changes(await self.document(), changes)
        return await self._session.run(with_rerun_of(document, self.ref), key=key)

    async def document(self) -> dict[str, Any]:
        """Return what the run was asked for, without the defaults that were merged in.

        Raises:
            RunRejectedError, RunNotFoundError: as `rerun`.

        """
        event = await verdict_event(self._client, self._status)
        if isinstance(event, RunRejected):
            raise RunRejectedError(self.ref, event.status, event.violations)
        if event is None:
            message = f"the first event of {self.ref} is gone: it ended long ago"
            raise RunNotFoundError(message)
        return document_of_run(event, self.project)

    def _take(self, seen: RunRecord | EventRecord | AbortAnswer) -> None:
        """Take what was read, unless more is known: on several bus servers a view can be older."""
        if seen.sequence >= self._sequence:
            self._status, self._sequence = seen.status, seen.sequence

    async def _raise_unless_completed(self) -> None:
        violations: Sequence[Violation] = ()
        if self._status.state is RunState.REJECTED:
            event = await verdict_event(self._client, self._status)
            violations = event.violations if isinstance(event, RunRejected) else ()
        error = outcome_error(self.ref, self._status, violations)
        if error is not None:
            raise error

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.ref} {self._status.state.value}>"

    def _repr_html_(self) -> str:
        from runbus.sdk.notebook import run_html_now

        return run_html_now(self._status)
