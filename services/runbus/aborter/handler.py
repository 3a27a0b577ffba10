"""The shell of the abort command: judge, store `aborting`, and hand the deleting over.

The command is acknowledged once `aborting` is stored: deleting follows from the state, not from
the message, so that one dead node never holds up another run's abort.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from runbus.aborter.decide import judge
from runbus.aborter.model import Drop, Store
from runbus.contracts.commands import AbortRun
from runbus.contracts.events import RunAborting
from runbus.contracts.states import EventType
from runbus.runtime.clock import Clock
from runbus.runtime.commands import known_of, read_command, unknown_run
from runbus.runtime.errors import RetryableError
from runbus.runtime.inbox import Delivery
from runbus.runtime.logs import Log
from runbus.runtime.runlog import RunLog, RunRecord, StaleError

STALE_TRIES_MAX = 10


class AbortHandler:
    """Carries out AbortRun. `hand_over` gets each record that was stored."""

    def __init__(
        self,
        run_log: RunLog,
        clock: Clock,
        log: Log,
        hand_over: Callable[[RunRecord], None],
    ) -> None:
        self._run_log = run_log
        self._clock = clock
        self._log = log
        self._hand_over = hand_over

    async def handle(self, delivery: Delivery) -> str:
        """Store `aborting` for the run that the command is about.

        Raises:
            RetryableError: the bus could not be reached, or the run is not known yet.
            PoisonError: the command cannot be read, or nobody knows the run.

        """
        command, project, run_id = read_command(delivery, AbortRun)
        judged_by = None if command.by_user else command.if_sequence
        since = known_of(delivery, judged_by, self._clock.now())
        record = await self._run_log.newest(project, run_id, since=since)
        for _ in range(STALE_TRIES_MAX):
            if record is None:
                raise unknown_run(delivery, self._clock.now())
            verdict = judge(
                command,
                record.status,
                record.sequence,
                asked_by=delivery.envelope.source or "an unnamed client",
                now=self._clock.now(),
            )
            match verdict:
                case Drop(why=why):
                    return f"dropped: {why}"
                case Store(status=status):
                    try:
                        stored = await self._run_log.publish(
                            EventType.ABORTING,
                            RunAborting(status=status),
                            record,
                            traceparent=delivery.envelope.traceparent,
                        )
                    except StaleError as error:
                        record = error.newest
                        continue
                    if _is_anothers(stored, command):
                        record = stored
                        continue
                    self._hand_over(stored)
                    return "aborting"
                case _:
                    assert_never(verdict)
        text = f"run {run_id} changes faster than its abort can be stored"
        raise RetryableError(text)


def _is_anothers(stored: RunRecord, command: AbortRun) -> bool:
    """Say whether a threshold's abort was stored where a user's was to be.

    Both claim the same transition, so both have the same event id: found stored is not ours yet.
    """
    by_user = stored.status.abort is not None and stored.status.abort.by_user
    return command.by_user and not by_user
