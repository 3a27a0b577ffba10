"""The run log: each run's events, stored with compare-and-set on the run's last sequence.

The one place that publishes events. It checks the transition table, gives an event its id, and
resolves what a publish leaves open: a timeout or a wrong last sequence is settled by reading the
stream's leader, never a bucket or a direct get, which may lag (ADR-0004). On a bus of several
servers the leader itself may for some milliseconds lag behind what another server has delivered:
whoever knows of an event asks for no older view than that (ADR-0033).
"""

from __future__ import annotations

import asyncio

from msgspec import Struct
from msgspec.structs import replace

from runbus.contracts import codec, envelope, subjects
from runbus.contracts.envelope import Envelope
from runbus.contracts.events import RunDeadlineChanged, RunEvent, ce_type, type_token
from runbus.contracts.identity import child_traceparent, event_id, trace_parts
from runbus.contracts.states import EventType
from runbus.contracts.status import RunStatus
from runbus.contracts.streams import EVENTS
from runbus.contracts.transitions import Publisher, check_transition
from runbus.runtime.clock import Clock
from runbus.runtime.errors import PoisonError, RetryableError
from runbus.runtime.metrics import Metrics
from runbus.runtime.tracing import Sent, Tracing
from runbus.sdk.bus import EXPECTED_SEQUENCE, EXPECTED_SUBJECT, Bus, StoredMessage
from runbus.sdk.errors import (
    BusError,
    BusRefusedError,
    BusTimeoutError,
    BusUnreachableError,
    TooLargeError,
    WrongSequenceError,
)

PUBLISH_TIMEOUT_S = 3.0
# An election of a stream's leader takes 5 to 7 seconds: try for longer than that.
PUBLISH_BUDGET_S = 10.0
PUBLISH_RETRY_S = 0.2
# So long it is waited for a leader that is behind what is known already: asked again after 20 ms
# at first and then later and later, because it may be behind for having too much to do.
BEHIND_BUDGET_S = 3.0
BEHIND_AGAIN_S = 0.02
BEHIND_AGAIN_MAX_S = 0.5


class RunRecord(Struct, frozen=True, kw_only=True, omit_defaults=True, array_like=True):
    """The newest event of a run as the leader has it."""

    sequence: int
    event_type: str
    event_id: str
    status: RunStatus
    traceparent: str | None = None
    found_stored: bool = False  # publish: the very same transition had been stored before


class StaleError(Exception):
    """The run moved on before the event could be stored; `newest` is where it stands."""

    def __init__(self, newest: RunRecord) -> None:
        super().__init__("the run has moved on")
        self.newest = newest


class RunLog:
    """Reads and writes events of runs, for one publisher."""

    def __init__(
        self,
        bus: Bus,
        publisher: Publisher,
        clock: Clock,
        metrics: Metrics | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._bus = bus
        self._publisher = publisher
        self._clock = clock
        self._metrics = metrics or Metrics()
        self._tracing = tracing or Tracing()
        self._metrics.refused.labels("publish")  # a count that begins at one is no increase

    async def newest(self, project: str, run_id: str, *, since: int = 0) -> RunRecord | None:
        """Return where a run stands, from the leader; None for a run nobody knows.

        Args:
            project: the run's.
            run_id: the run's.
            since: the sequence of an event of the run that is known of; 0: of none. An older view
                is no answer: what is decided on it would be decided for good.

        Raises:
            RetryableError: the bus did not answer, or its leader stays behind.
            PoisonError: the newest event cannot be read.

        """
        message = await self.newest_message(project, run_id, since=since)
        return record_of(message) if message is not None else None

    async def newest_message(
        self, project: str, run_id: str, *, since: int = 0
    ) -> StoredMessage | None:
        """Return a run's newest event as it is stored; see `newest`.

        Raises:
            RetryableError: the bus did not answer, or its leader stays behind.

        """
        wildcard = subjects.events_of_run(project, run_id)
        give_up_at, again_s = self._clock.monotonic() + BEHIND_BUDGET_S, BEHIND_AGAIN_S
        while True:
            try:
                message = await self._bus.last_message(EVENTS, wildcard)
            except BusError as error:
                text = f"cannot read the newest event of {run_id}: {error}"
                raise RetryableError(text) from error
            found = message.sequence if message is not None else 0
            if found >= since:
                return message
            if self._clock.monotonic() >= give_up_at:
                text = f"the leader of {EVENTS} has event {found} of {run_id}, and {since} exists"
                raise RetryableError(text)
            await asyncio.sleep(again_s)
            again_s = min(2 * again_s, BEHIND_AGAIN_MAX_S)

    async def event(
        self, project: str, run_id: str, shard: str, event_type: EventType
    ) -> RunEvent | None:
        """Return a run's newest event of one type, from the leader."""
        subject = subjects.event(project, run_id, shard, event_type)
        try:
            message = await self._bus.last_message(EVENTS, subject)
        except BusError as error:
            text = f"cannot read the {event_type.value} event of {run_id}: {error}"
            raise RetryableError(text) from error
        try:
            return codec.decode_event(event_type, message.data) if message is not None else None
        except codec.BrokenMessageError as error:
            raise PoisonError(str(error)) from error

    async def is_carried_out(self, status: RunStatus, command: int) -> bool:
        """Say whether a run has a `deadline_changed` event for a command, from the leader.

        Args:
            status: the run's.
            command: the command's sequence in RUNBUS_COMMANDS.

        Raises:
            RetryableError: the bus did not answer.

        """
        subject = subjects.event(
            status.project, status.run_id, status.shard, EventType.DEADLINE_CHANGED
        )
        sequence = 1
        try:
            while message := await self._bus.next_message(EVENTS, subject, sequence):
                if codec.decode(RunDeadlineChanged, message.data).command == command:
                    return True
                sequence = message.sequence + 1
        except codec.BrokenMessageError as error:
            raise PoisonError(str(error)) from error
        except BusError as error:
            text = f"cannot read the changes of deadlines of {status.run_id}: {error}"
            raise RetryableError(text) from error
        return False

    async def publish(
        self,
        event_type: EventType,
        event: RunEvent,
        before: RunRecord | None,
        *,
        traceparent: str | None = None,
        salt: str = "",
    ) -> RunRecord:
        """Store one transition and return it as the run's newest record.

        Args:
            event_type: the type.
            event: the body.
            before: what was judged by; its sequence is the expected one, 0 for None.
            traceparent: of the message being handled. The run's own trace goes on where it has
                one: whoever aborts it from elsewhere does not take it over.
            salt: added to the event's id where two different bodies could claim one transition
                (two documents under one idempotency key).

        Raises:
            StaleError: the run moved on; decide again on its `newest`.
            RetryableError: the bus did not answer within the budget.
            PoisonError: the event is larger than the bus takes.
            IllegalTransitionError: the table does not allow it.

        """
        status = event.status
        previous = before.status if before is not None else None
        check_transition(previous, event_type, status, self._publisher)
        expected = before.sequence if before is not None else 0
        own_id = event_id(status.run_id, status.attempt, event_type, expected) + salt
        parent = _parent(before, traceparent) or self._tracing.current()
        trace = child_traceparent(parent, status.run_id, own_id)
        started, began_ns = self._clock.monotonic(), self._tracing.now_ns()
        try:
            stored = await self._store(event_type, event, own_id, expected, trace)
        except StaleError:
            self._metrics.events.labels(event_type.value, "stale").inc()
            raise
        self._metrics.publish_s.observe(self._clock.monotonic() - started)
        self._count(event_type, stored, previous)
        if not stored.found_stored:
            self._tracing.sent(
                Sent(
                    subject=subjects.event(status.project, status.run_id, status.shard, event_type),
                    message_id=own_id,
                    traceparent=trace,
                    parent=parent,
                    began_ns=began_ns,
                )
            )
        return stored

    def _count(
        self,
        event_type: EventType,
        stored: RunRecord,
        previous: RunStatus | None,
    ) -> None:
        status = stored.status
        result = "found" if stored.found_stored else "stored"
        self._metrics.events.labels(event_type.value, result).inc()
        if stored.found_stored:
            return
        if previous is not None and previous.state is not status.state:
            stayed_s = (status.since - previous.since).total_seconds()
            self._metrics.state_s.labels(previous.state.value).observe(max(stayed_s, 0.0))
        if status.state.is_final:
            outcome_class = status.outcome_class.value if status.outcome_class else ""
            self._metrics.runs_ended.labels(
                status.kind.value, status.state.value, outcome_class
            ).inc()

    async def _store(
        self, event_type: EventType, event: RunEvent, own_id: str, expected: int, trace: str
    ) -> RunRecord:
        status = event.status
        subject = subjects.event(status.project, status.run_id, status.shard, event_type)
        headers = self._headers(event_type, status, own_id, expected, trace)
        body = codec.encode(event)
        give_up_at, again_s = self._clock.monotonic() + PUBLISH_BUDGET_S, BEHIND_AGAIN_S
        while True:
            try:
                sequence = await self._bus.publish(
                    subject, body, headers, timeout_s=PUBLISH_TIMEOUT_S
                )
            except WrongSequenceError:
                newest = await self.newest(status.project, status.run_id, since=expected)
                if newest is not None and newest.event_id == own_id:
                    # As it was stored: another replica may have said the same in other words.
                    return replace(newest, found_stored=True)
                if newest is not None and newest.sequence > expected:
                    raise StaleError(newest) from None
                # Refused by a view that was older, or for another's event that is being stored.
                if self._clock.monotonic() >= give_up_at:
                    text = f"{event_type.value} of {status.run_id} is refused, and nothing follows"
                    raise RetryableError(f"{text} event {expected}") from None
                await asyncio.sleep(again_s)
                again_s = min(2 * again_s, BEHIND_AGAIN_MAX_S)
            except (BusTimeoutError, BusUnreachableError) as error:
                # Stored or not: the same id with the same expectation may be sent again, and
                # answers "wrong last sequence" if it was.
                if self._clock.monotonic() >= give_up_at:
                    text = f"cannot store {event_type.value} of {status.run_id}: {error}"
                    raise RetryableError(text) from error
                await asyncio.sleep(PUBLISH_RETRY_S)
            except TooLargeError as error:
                text = f"{event_type.value} of {status.run_id} is too large: {error}"
                raise PoisonError(text) from error
            except BusRefusedError as error:
                self._metrics.refused.labels("publish").inc()
                text = f"the bus refused {event_type.value} of {status.run_id}: {error}"
                raise RetryableError(text, delay_s=5.0) from error
            else:
                return RunRecord(
                    sequence=sequence,
                    event_type=event_type.value,
                    event_id=own_id,
                    status=status,
                    traceparent=trace,
                )

    def _headers(
        self, event_type: EventType, status: RunStatus, own_id: str, expected: int, trace: str
    ) -> dict[str, str]:
        headers = envelope.to_headers(
            Envelope(
                id=own_id,
                type=ce_type(event_type),
                source=f"/runbus/{self._publisher.value}",
                subject=f"{status.project}/{status.run_id}",
                time=self._clock.now(),
                traceparent=trace,
            )
        )
        headers[EXPECTED_SEQUENCE] = str(expected)
        headers[EXPECTED_SUBJECT] = subjects.events_of_run(status.project, status.run_id)
        return headers


def _parent(before: RunRecord | None, traceparent: str | None) -> str | None:
    """Return what an event's span follows: the run's newest event, else the request."""
    own = before.traceparent if before is not None else None
    return own if trace_parts(own) is not None else traceparent


def record_of(message: StoredMessage, *, sequence: int | None = None) -> RunRecord:
    """Return the record of an event's message.

    Args:
        message: from the events stream, or from a bucket that the server fills from it.
        sequence: the event's own sequence where the message is a bucket's.

    Raises:
        PoisonError: the message cannot be read.

    """
    mark = envelope.mark_of(message.headers)
    try:
        status = codec.decode_status(message.data)
    except codec.BrokenMessageError as error:
        text = f"sequence {message.sequence} on {message.subject}: {error}"
        raise PoisonError(text) from error
    return RunRecord(
        sequence=message.sequence if sequence is None else sequence,
        event_type=type_token(mark.type),
        event_id=mark.id,
        status=status,
        traceparent=mark.traceparent,
    )


def source_sequence(message: StoredMessage) -> int:
    """Return the sequence an event had in RUNBUS_EVENTS, from a sourced bucket's message.

    The bucket's own sequence differs from it on any system but a fresh one. The header is
    `Nats-Stream-Source: <stream> <sequence> <filter> <transform> <subject> ...`.
    """
    header = message.headers.get("Nats-Stream-Source") or ""  # the server's own spelling
    tokens = header.split(" ")
    return int(tokens[1]) if len(tokens) > 1 else 0
