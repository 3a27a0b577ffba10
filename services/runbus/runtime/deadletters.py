"""Dead letters: what could not be handled is set aside with its reason, and ends its run.

An event of a run still without objects (accepted, queued, admitted) that nobody can handle would
leave that run waiting for ever: it ends in `error` with the reason InternalError. A command that
cannot be handled changes nothing about its run.
"""

from __future__ import annotations

import msgspec

from runbus.contracts import codec, subjects
from runbus.contracts.events import RunAttemptFailed
from runbus.contracts.replies import DeadLetter
from runbus.contracts.states import EventType, OutcomeClass, Reason, RunState
from runbus.contracts.transitions import Publisher
from runbus.runtime.clock import Clock
from runbus.runtime.errors import PoisonError
from runbus.runtime.inbox import Delivery
from runbus.runtime.runlog import RunLog, RunRecord, StaleError
from runbus.sdk.bus import MESSAGE_ID, Bus

ENDED_BY_DEAD_LETTER = frozenset({RunState.ACCEPTED, RunState.QUEUED, RunState.ADMITTED})
STALE_TRIES_MAX = 5
# A letter must fit into a message, its body in base64, beside up to 64 KiB of headers.
BODY_BYTES_MAX = 512 * 1024
REASON_CHARACTERS_MAX = 4000


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
        project, run_id = _run_of(delivery.subject)
        is_cut = len(delivery.data) > BODY_BYTES_MAX
        letter = DeadLetter(
            service=self._publisher.value,
            subject=delivery.subject,
            reason=reason[:REASON_CHARACTERS_MAX],
            sequence=delivery.sequence,
            deliveries=delivery.deliveries,
            headers=dict(delivery.headers),
            body=delivery.data[:BODY_BYTES_MAX],
            body_bytes=len(delivery.data) if is_cut else None,
            run_id=run_id,
            project=project,
            set_aside_at=self._clock.now(),
        )
        once = f"{self._publisher.value}-{delivery.subject}-{delivery.sequence}"
        await self._bus.publish(
            subjects.dead_letter(self._publisher.value), codec.encode(letter), {MESSAGE_ID: once}
        )
        if run_id and _is_event(delivery.subject):
            await self._end_run(project, run_id, reason)

    async def _end_run(self, project: str, run_id: str, reason: str) -> None:
        try:
            record = await self._run_log.newest(project, run_id)
        except PoisonError:
            return  # its newest event is unreadable too: nothing more can be stored
        for _ in range(STALE_TRIES_MAX):
            if record is None or record.status.state not in ENDED_BY_DEAD_LETTER:
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


def _is_event(subject: str) -> bool:
    return subject.startswith(f"{subjects.ROOT}.run.")


def _run_of(subject: str) -> tuple[str, str]:
    """Return project and run id that a subject names, or empty texts."""
    try:
        parsed = subjects.parse_event(subject)
    except subjects.SubjectError:
        pass
    else:
        return parsed.project, parsed.run_id
    try:
        _, project, run_id = subjects.parse_command(subject)
    except subjects.SubjectError:
        return "", ""
    return (project, run_id) if subjects.is_run_id(run_id) else ("", "")
