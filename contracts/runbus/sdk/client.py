"""The client: submit runs, read them, follow them, end them. For programs and the command line.

    async with connect("nats://127.0.0.1:4222") as client:
        verdict = await client.submit({"project": "nlp", "name": "tune", ...})
        status = await client.wait(verdict.project, verdict.run_id, timeout_s=3600)

Submitting asks spec-validator; reading needs no service, only the bus. Must not know Kubernetes,
files, or how anything is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from runbus.contracts import codec, envelope, identity, subjects
from runbus.contracts.commands import AbortRun, ChangeDeadline
from runbus.contracts.evidence import RunEvidence
from runbus.contracts.replies import ExplainReply, SubmitReply
from runbus.contracts.states import RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.streams import COMMANDS, EVENTS, EVIDENCE
from runbus.sdk import connecting, deliveries
from runbus.sdk.bus import Bus, StoredMessage
from runbus.sdk.changing import checked, confirmed
from runbus.sdk.connecting import Notice
from runbus.sdk.deliveries import (
    append_readable,
    events_until_all_final,
    every_event,
    until_caught_up,
    until_final,
)
from runbus.sdk.errors import BusRefusedError, NotFoundError
from runbus.sdk.follow import follow
from runbus.sdk.judging import judged_by
from runbus.sdk.logs import LogTail, log_tails
from runbus.sdk.runs import (
    RUNS_STREAM,
    EventRecord,
    RunNotFoundError,
    RunRecord,
    bucket_key,
    pick_run,
    record_of,
    split_ref,
)
from runbus.sdk.submissions import Document, Sent, prepared, submit_headers

VERDICT_TIMEOUT_S = 10.0


class NotProvisionedError(BusRefusedError):
    """The bus has not been set up: `runbus init` makes its streams and buckets."""


class AbortAnswer(Struct, frozen=True, kw_only=True):
    """What an abort met: the run as it stood, and whether it was asked to end."""

    status: RunStatus
    sequence: int
    is_requested: bool


class Client:
    """The operations on runs over one connection. Make it with `connect`."""

    def __init__(self, bus: Bus, identity: str = "") -> None:
        self.bus = bus
        self.identity = identity

    async def submit(
        self,
        document: Document,
        *,
        project: str | None = None,
        key: str | None = None,
        traceparent: str | None = None,
        timeout_s: float = VERDICT_TIMEOUT_S,
    ) -> SubmitReply:
        """Submit a document and return the verdict; the run exists when this returns.

        Args:
            document: a mapping, or JSON.
            project: whose it is; default: the document's `project`.
            key: idempotency key. Submitting again with it, also after a timeout, is harmless.
            traceparent: W3C trace context to go on with.
            timeout_s: for the verdict.

        Raises:
            UnusableDocumentError: it cannot be sent at all.
            BusTimeoutError: no verdict in time; the run may exist all the same.
            BusUnreachableError: no spec-validator answers.
            BusRefusedError: it could not come to a verdict.

        """
        body, project = prepared(document, project)
        headers = submit_headers(key, traceparent, self.identity)
        judged = await judged_by(self.bus, subjects.API_SUBMIT, project, body, headers, timeout_s)
        return codec.decode(SubmitReply, judged)

    async def explain(
        self,
        document: Document,
        *,
        project: str | None = None,
        timeout_s: float = VERDICT_TIMEOUT_S,
    ) -> ExplainReply:
        """Return each setting that a document comes to, and its level; nothing is submitted.

        Args, Raises: as `submit`.
        """
        body, project = prepared(document, project)
        headers = submit_headers(None, None, self.identity)
        judged = await judged_by(self.bus, subjects.API_EXPLAIN, project, body, headers, timeout_s)
        return codec.decode(ExplainReply, judged)

    async def send(
        self,
        document: Document,
        *,
        project: str | None = None,
        key: str | None = None,
        traceparent: str | None = None,
    ) -> Sent:
        """Store a submit command and return at once: no service needs to be up.

        Args: as `submit`. With a key, `identity.run_id_from_key` tells the run id beforehand.

        Raises:
            UnusableDocumentError: it cannot be sent at all.
            NotProvisionedError, BusUnreachableError: it is not stored.

        """
        body, project = prepared(document, project)
        created = str((await self._stream_info(COMMANDS))["created"])
        sequence = await self.bus.publish(
            subjects.submit(project), body, submit_headers(key, traceparent, self.identity)
        )
        own_id = identity.run_id_from_sequence(created, sequence)
        return Sent(
            project=project,
            run_id=identity.run_id_from_key(project, key) if key else own_id,
            rejection_id=own_id,
            sequence=sequence,
        )

    async def verdict(self, sent: Sent, *, timeout_s: float | None = None) -> EventRecord:
        """Wait for the verdict on what was sent: its run's first event, or its rejection.

        Raises:
            TimeoutError: none came in time; one may come yet.

        """
        ids = dict.fromkeys((sent.run_id, sent.rejection_id))
        runs = [(sent.project, run_id) for run_id in ids]
        async with asyncio.timeout(timeout_s), self.watch_runs(runs) as events:
            return await anext(events)

    async def get(self, project: str, run_id: str) -> RunRecord:
        """Return a run as it stands, read from the leader: nothing stored before is missed.

        Raises:
            RunNotFoundError: there is no such run.

        """
        found = await self._last(subjects.events_of_run(project, run_id))
        if found is None:
            message = f"no run {project}/{run_id}"
            raise RunNotFoundError(message)
        return record_of(found)

    async def list_runs(
        self, project: str | None = None, *, states: Collection[RunState] = ()
    ) -> list[RunRecord]:
        """Return all runs of a project, or of all, that are in one of the states (or any)."""
        records: list[RunRecord] = []
        await self._stream_info(RUNS_STREAM)
        async with follow(self.bus, RUNS_STREAM, [bucket_key(project or subjects.ANY)]) as runs:
            async for message in until_caught_up(runs):
                append_readable(records, message)
        newest = {each.ref: each for each in records}  # an entry may be replaced while we read
        return [each for each in newest.values() if not states or each.status.state in states]

    async def find(self, text: str) -> RunRecord:
        """Return the run that a person's text means; see `runs.pick_run`.

        Raises:
            RunNotFoundError, AmbiguousRunError: none or several fit.

        """
        project, wanted = split_ref(text)
        if project is not None and not subjects.is_project(project):
            message = f"no run fits {text!r}: {project!r} cannot be a project"
            raise RunNotFoundError(message)
        if subjects.is_run_id(wanted):
            events = subjects.events_of_run(project or subjects.ANY, wanted)
            found = await self._last(events)
            if found is not None:
                return record_of(found)
        return pick_run(text, await self.list_runs(project))

    @asynccontextmanager
    async def events(
        self, project: str, run_id: str, *, from_sequence: int = 1
    ) -> AsyncIterator[AsyncIterator[EventRecord]]:
        """Follow one run within a block: gives its events as they come, up to a final one.

        async with client.events(project, run_id) as events:
            async for event in events: ...

        Args:
            project: the run's.
            run_id: its id; it may not exist yet.
            from_sequence: skip events before this sequence of the stream.

        """
        await self._stream_info(EVENTS)
        filters = [subjects.events_of_run(project, run_id)]
        async with follow(self.bus, EVENTS, filters, next_sequence=from_sequence) as follower:
            yield events_until_all_final(follower, {(project, run_id)})

    @asynccontextmanager
    async def watch(
        self, project: str | None = None, *, from_sequence: int | None = None
    ) -> AsyncIterator[AsyncIterator[EventRecord]]:
        """Follow every run (of a project) within a block, from now on or from a sequence on."""
        if from_sequence is None:
            from_sequence = int((await self._stream_info(EVENTS))["state"]["last_seq"]) + 1
        filters = [subjects.events_of_project(project or subjects.ANY)]
        async with follow(self.bus, EVENTS, filters, next_sequence=from_sequence) as follower:
            yield every_event(follower)

    @asynccontextmanager
    async def watch_runs(
        self, runs: Sequence[tuple[str, str]]
    ) -> AsyncIterator[AsyncIterator[EventRecord]]:
        """Follow some runs within a block, from their first events until all are over.

        Args:
            runs: project and run id of each.

        """
        await self._stream_info(EVENTS)
        filters = [subjects.events_of_run(project, run_id) for project, run_id in runs]
        async with follow(self.bus, EVENTS, filters) as follower:
            yield events_until_all_final(follower, set(runs))

    @asynccontextmanager
    async def changes(
        self, project: str | None = None
    ) -> AsyncIterator[AsyncIterator[list[RunRecord]]]:
        """Follow the bucket of runs within a block: all as they stand, then what changes.

        The first list is complete (empty if there are no runs). Made for tables: a reader that is
        too slow misses what was in between, never the newest.
        """
        await self._stream_info(RUNS_STREAM)
        async with follow(self.bus, RUNS_STREAM, [bucket_key(project or subjects.ANY)]) as runs:
            yield deliveries.changes(runs)

    async def wait(self, project: str, run_id: str, *, timeout_s: float | None = None) -> RunStatus:
        """Wait until a run is over, whichever way, and return its final status.

        Raises:
            TimeoutError: it was not over in time. The run goes on.

        """
        async with asyncio.timeout(timeout_s), self.events(project, run_id) as events:
            return (await until_final(events)).status

    async def abort(
        self, project: str, run_id: str, *, message: str = "", by: str = ""
    ) -> AbortAnswer:
        """Ask for the end of a run. A run that is over answers with the state it has.

        Args:
            project: the run's.
            run_id: its id.
            message: why, for people.
            by: who asks; default: the identity of this client.

        Raises:
            RunNotFoundError: there is no such run.

        """
        record = await self.get(project, run_id)
        is_requested = not record.status.state.is_final
        if is_requested:
            now = datetime.now(UTC)
            command = AbortRun(by=by or self.identity, message=message, requested_at=now)
            await self._command(subjects.ABORT, record, command)
        return AbortAnswer(
            status=record.status, sequence=record.sequence, is_requested=is_requested
        )

    async def change_deadline(
        self, project: str, run_id: str, command: ChangeDeadline, *, timeout_s: float = 10.0
    ) -> RunStatus:
        """Change a limit of a live run, and return its status once that is stored.

        Args:
            project: the run's.
            run_id: its id.
            command: what to change; `by` defaults to the identity of this client.
            timeout_s: how long to wait for the answer.

        Raises:
            DeadlineRefusedError: it cannot be done; the text says why, and the way out.
            TimeoutError: no answer in time. The command stands, and may still be carried out.
            RunNotFoundError: there is no such run.

        """
        record = await self.get(project, run_id)
        change = checked(record.status, command, identity=self.identity, now=datetime.now(UTC))
        async with (
            asyncio.timeout(timeout_s),
            self.events(project, run_id, from_sequence=record.sequence + 1) as events,
        ):
            return await confirmed(events, await self._command(subjects.DEADLINE, record, change))

    async def evidence(self, project: str, run_id: str) -> list[RunEvidence]:
        """Return everything kept of a run's attempts, oldest first."""
        await self._stream_info(EVIDENCE)
        found: list[RunEvidence] = []
        filters = [subjects.evidence(project, run_id)]
        async with follow(self.bus, EVIDENCE, filters) as follower:
            async for message in until_caught_up(follower):
                try:
                    found.append(codec.decode(RunEvidence, message.data))
                except codec.BrokenMessageError:
                    continue  # of a newer release; the others can be read
        return found

    async def logs(self, project: str, run_id: str, *, attempt: int | None = None) -> list[LogTail]:
        """Return the log tails kept of attempts that have ended; see `logs.log_tails`."""
        return log_tails(await self.evidence(project, run_id), attempt)

    async def _command(self, verb: str, record: RunRecord, command: Struct) -> int:
        """Send a command on a run and return its sequence in RUNBUS_COMMANDS."""
        subject = subjects.command(verb, record.status.project, record.status.run_id)
        headers = {envelope.CONTENT_TYPE: envelope.JSON_TYPE}
        return await self.bus.publish(subject, codec.encode(command), headers)

    async def _last(self, events: str) -> StoredMessage | None:
        try:
            return await self.bus.last_message(EVENTS, events)
        except NotFoundError as error:
            raise _not_provisioned(EVENTS) from error

    async def _stream_info(self, stream: str) -> dict[str, Any]:
        try:
            return await self.bus.api(f"STREAM.INFO.{stream}")
        except NotFoundError as error:
            raise _not_provisioned(stream) from error


@asynccontextmanager
async def connect(
    url: str,
    *,
    name: str = "runbus-client",
    identity: str = "",
    notice: Notice | None = None,
    attempts_max: int = 1,
    **credentials: Any,
) -> AsyncIterator[Client]:
    """Connect for the length of a block.

    Args:
        url: `nats://[token@]host:port`, several separated by commas.
        name: shown in the server's monitoring.
        identity: who asks: the user of documents that name none.
        notice: told of lost and regained connections: (kind, text).
        attempts_max: of the first connection; afterwards it reconnects for ever.
        credentials: see `connecting.connect`.

    Raises:
        BusUnreachableError: every attempt failed.

    """
    told = notice or (lambda _kind, _text: None)
    bus = await connecting.connect(
        url, name=name, notice=told, attempts_max=attempts_max, **credentials
    )
    try:
        yield Client(bus, identity)
    finally:
        await bus.close()


def _not_provisioned(stream: str) -> NotProvisionedError:
    return NotProvisionedError(f"the bus has no {stream}: run `runbus init` once", code=404)
