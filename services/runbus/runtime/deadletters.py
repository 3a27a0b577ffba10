"""Dead letters: what could not be handled is set aside with its reason, and ends its run.

An event of a run still without objects (accepted, queued, admitted) that nobody can handle would
leave that run waiting for ever: it ends in `error` with the reason InternalError, also where the
event itself cannot be read. A command that cannot be handled changes nothing about its run.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from runbus.contracts import codec, subjects
from runbus.contracts.events import RunAttemptFailed
from runbus.contracts.replies import DeadLetter
from runbus.contracts.states import EventType, OutcomeClass, Reason, RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.streams import EVENTS
from runbus.contracts.subjects import EventSubject
from runbus.contracts.transitions import Publisher
from runbus.runtime.clock import Clock
from runbus.runtime.errors import PoisonError, RetryableError
from runbus.runtime.inbox import Delivery
from runbus.runtime.runlog import RunLog, RunRecord, StaleError, record_of
from runbus.sdk.bus import MESSAGE_ID, Bus, StoredMessage
from runbus.sdk.errors import BusError

ENDED_BY_DEAD_LETTER = frozenset({RunState.ACCEPTED, RunState.QUEUED, RunState.ADMITTED})
STALE_TRIES_MAX = 5
# A letter must fit into a message, its body in base64, beside up to 64 KiB of headers.
BODY_BYTES_MAX = 512 * 1024
REASON_CHARACTERS_MAX = 4000

# What a run without objects may have said last, before an event that cannot be read.
_SAID_WITHOUT_OBJECTS = (
    EventType.ACCEPTED,
    EventType.QUEUED,
    EventType.ADMITTED,
    EventType.LAUNCHED,
    EventType.LAUNCH_FAILED,
    EventType.ATTEMPT_FAILED,
    EventType.DEADLINE_CHANGED,
)


class _Letter(Struct, frozen=True):
    """What is set aside, wherever it came from."""

    subject: str
    sequence: int
    headers: Mapping[str, str]
    data: bytes
    deliveries: int = 0


class DeadLetters:
    """Sets messages aside for one service."""

    def __init__(self, bus: Bus, run_log: RunLog, publisher: Publisher, clock: Clock) -> None:
        self._bus = bus
        self._run_log = run_log
        self._publisher = publisher
        self._clock = clock

    async def set_aside(self, delivery: Delivery, reason: str) -> None:
        """Store a message among the dead letters, then end the run that waits for it.

        Raises:
            BusError, RetryableError: the bus did not answer; the message must come again.

        """
        await self._set_aside(
            _Letter(
                delivery.subject,
                delivery.sequence,
                delivery.headers,
                delivery.data,
                delivery.deliveries,
            ),
            reason,
        )

    async def set_aside_event(self, event: StoredMessage, reason: str) -> None:
        """Do the same with an event that no consumer delivers.

        Args:
            event: as RUNBUS_EVENTS holds it, with the subject and the sequence it has there.
            reason: why it cannot be handled.

        Raises:
            BusError, RetryableError: the bus did not answer; try again.

        """
        await self._set_aside(
            _Letter(event.subject, event.sequence, event.headers, event.data), reason
        )

    async def set_aside_accepted(self, status: RunStatus, reason: str) -> None:
        """Set a run's accepted event aside: the run cannot go on with what is in it.

        Raises:
            BusError, RetryableError: the bus did not answer; try again.

        """
        subject = subjects.event(status.project, status.run_id, status.shard, EventType.ACCEPTED)
        accepted = await self._bus.last_message(EVENTS, subject)
        if accepted is not None:
            await self.set_aside_event(accepted, reason)

    async def set_aside_newest(self, project: str, run_id: str, *, since: int = 0) -> bool:
        """Set a run's newest event aside if it cannot be read; say whether it was.

        Args:
            project: the run's.
            run_id: the run's.
            since: an event of the run that is known of: no older view (ADR-0033).

        Raises:
            BusError, RetryableError: the bus did not answer, or is behind; try again.

        """
        newest = await self._run_log.newest_message(project, run_id, since=since)
        if newest is None:
            return False
        try:
            record_of(newest)
        except PoisonError as error:
            await self.set_aside_event(newest, str(error))
            return True
        return False

    async def _set_aside(self, found: _Letter, reason: str) -> None:
        project, run_id = _run_of(found.subject)
        is_cut = len(found.data) > BODY_BYTES_MAX
        letter = DeadLetter(
            service=self._publisher.value,
            subject=found.subject,
            reason=reason[:REASON_CHARACTERS_MAX],
            sequence=found.sequence,
            deliveries=found.deliveries,
            headers=dict(found.headers),
            body=found.data[:BODY_BYTES_MAX],
            body_bytes=len(found.data) if is_cut else None,
            run_id=run_id,
            project=project,
            set_aside_at=self._clock.now(),
        )
        once = f"{self._publisher.value}-{found.subject}-{found.sequence}"
        await self._bus.publish(
            subjects.dead_letter(self._publisher.value), codec.encode(letter), {MESSAGE_ID: once}
        )
        event = _event_of(found.subject)
        if event is not None:
            await self._end_run(event, found, reason)

    async def _end_run(self, event: EventSubject, found: _Letter, reason: str) -> None:
        record = await self._newest(event, found.sequence)
        for _ in range(STALE_TRIES_MAX):
            if record is None or not await self._waits_for(record, event, found):
                return
            try:
                await self._run_log.publish(
                    EventType.ATTEMPT_FAILED, self._failed(record, reason), record
                )
            except PoisonError:
                return  # its status is too large for another event
            except StaleError as error:
                record = error.newest
            else:
                return

    async def _newest(self, event: EventSubject, since: int) -> RunRecord | None:
        """Return where a run stands, to be followed by one more event; None if nobody can say."""
        newest = await self._run_log.newest_message(event.project, event.run_id, since=since)
        if newest is None:
            return None
        try:
            return record_of(newest)
        except PoisonError:
            return await self._as_told_before(newest)

    async def _as_told_before(self, newest: StoredMessage) -> RunRecord | None:
        """Return where a run stands by its last readable event and the newest one's type."""
        event = subjects.parse_event(newest.subject)
        told: RunRecord | None = None
        for event_type in _SAID_WITHOUT_OBJECTS:
            subject = subjects.event(event.project, event.run_id, event.shard, event_type)
            message = await self._last(subject)
            if message is None or (told is not None and message.sequence < told.sequence):
                continue
            try:
                told = record_of(message)
            except PoisonError:
                continue
        if told is None:
            return None
        status = status_as_told(told.status, event.event_type)
        if status is None:
            return None
        return msgspec.structs.replace(
            told, sequence=newest.sequence, event_type=event.event_type, status=status
        )

    async def _waits_for(self, record: RunRecord, event: EventSubject, found: _Letter) -> bool:
        """Whether a run goes no further without the event that was set aside.

        Its document lies in the accepted event until it is admitted, and from then on in the
        newest admitted one. Any other event is only missed as long as nothing follows it.
        """
        state = record.status.state
        if state not in ENDED_BY_DEAD_LETTER:
            return False
        if event.event_type == EventType.ACCEPTED.value:
            return state is not RunState.ADMITTED
        if event.event_type == EventType.ADMITTED.value and state is RunState.ADMITTED:
            newest = await self._last(found.subject)
            return newest is not None and newest.sequence == found.sequence
        return record.sequence == found.sequence

    async def _last(self, subject: str) -> StoredMessage | None:
        try:
            return await self._bus.last_message(EVENTS, subject)
        except BusError as error:
            text = f"cannot read {subject}: {error}"
            raise RetryableError(text) from error

    def _failed(self, record: RunRecord, reason: str) -> RunAttemptFailed:
        status = msgspec.structs.replace(
            record.status,
            state=RunState.ERROR,
            since=self._clock.now(),
            reason=Reason.INTERNAL_ERROR.value,
            message=reason[:REASON_CHARACTERS_MAX],
            status_text=(
                f"internal error in {self._publisher.value}: {reason[:REASON_CHARACTERS_MAX]}"
            ),
            outcome_class=OutcomeClass.INFRASTRUCTURE,
            deadline=None,
            deadline_of=None,
        )
        return RunAttemptFailed(status=status)


def status_as_told(before: RunStatus, event_type: str) -> RunStatus | None:
    """Return where an unreadable event of a type leaves a run; None where it may have objects."""
    if event_type == EventType.QUEUED.value:
        return msgspec.structs.replace(before, state=RunState.QUEUED)
    if event_type == EventType.ADMITTED.value:
        return msgspec.structs.replace(before, state=RunState.ADMITTED, attempt=before.attempt + 1)
    if event_type in {EventType.LAUNCHED.value, EventType.DEADLINE_CHANGED.value}:
        return before
    return None


def _event_of(subject: str) -> EventSubject | None:
    try:
        event = subjects.parse_event(subject)
    except subjects.SubjectError:
        return None
    is_ours = subjects.is_project(event.project) and subjects.is_run_id(event.run_id)
    return event if is_ours else None


def _run_of(subject: str) -> tuple[str, str]:
    """Return project and run id that a subject names, or empty texts."""
    event = _event_of(subject)
    if event is not None:
        return event.project, event.run_id
    try:
        _, project, run_id = subjects.parse_command(subject)
    except subjects.SubjectError:
        return "", ""
    return (project, run_id) if subjects.is_run_id(run_id) else ("", "")
