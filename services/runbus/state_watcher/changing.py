"""The shell of ChangeDeadline: a limit of a live run is extended, moved, paused or resumed.

Any replica carries it out; the owner of the run's timers learns it from the event. Must not know
timers or pods.
"""

from __future__ import annotations

from runbus.contracts.commands import ChangeDeadline
from runbus.contracts.deadline_changes import DeadlineRefusal, change_deadline
from runbus.contracts.events import RunDeadlineChanged
from runbus.contracts.states import EventType
from runbus.runtime.clock import Clock
from runbus.runtime.commands import read_command, unknown_run
from runbus.runtime.errors import PoisonError, RetryableError
from runbus.runtime.inbox import Delivery
from runbus.runtime.runlog import RunLog, StaleError

STALE_TRIES_MAX = 10


class ChangeHandler:
    """Carries out ChangeDeadline."""

    def __init__(self, run_log: RunLog, clock: Clock) -> None:
        self._run_log = run_log
        self._clock = clock

    async def handle(self, delivery: Delivery) -> str:
        """Store the change that a command asks for, once.

        Raises:
            RetryableError: the bus could not be reached, or the run is not known yet.
            PoisonError: the command cannot be read or carried out, or nobody knows the run.

        """
        command, project, run_id = read_command(delivery, ChangeDeadline)
        record = await self._run_log.newest(project, run_id)
        if record is None:
            raise unknown_run(delivery, self._clock.now())
        for number in range(STALE_TRIES_MAX):
            # Extending is not idempotent: what may have been done before is looked up.
            is_first = number == 0 and delivery.deliveries == 1
            if not is_first and await self._run_log.is_carried_out(
                record.status, delivery.sequence
            ):
                return "carried out before"
            changed = change_deadline(record.status, command, self._clock.now())
            if isinstance(changed, DeadlineRefusal):
                raise PoisonError(changed.why)
            event = RunDeadlineChanged(
                status=changed,
                changed_by=command.by or delivery.envelope.source or "an unnamed client",
                why=command.message,
                threshold=command.threshold.value,
                action=command.action.value,
                command=delivery.sequence,
            )
            try:
                await self._run_log.publish(
                    EventType.DEADLINE_CHANGED,
                    event,
                    record,
                    traceparent=delivery.envelope.traceparent,
                    salt=f"-{delivery.sequence}",
                )
            except StaleError as error:
                record = error.newest
            else:
                return command.action.value
        text = f"run {run_id} changes faster than its deadline can be"
        raise RetryableError(text)
