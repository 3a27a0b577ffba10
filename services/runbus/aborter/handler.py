"""The shell of the abort command: judge, store `aborting`, and hand the deleting over.

The command is acknowledged once `aborting` is stored: deleting follows from the state, not from
the message, so that one dead node never holds up another run's abort.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, assert_never

from runbus.aborter.decide import judge
from runbus.aborter.model import Drop, Store, Unknown, Wait
from runbus.contracts import codec, subjects
from runbus.contracts.commands import AbortRun
from runbus.contracts.events import RunAborting
from runbus.contracts.states import EventType
from runbus.runtime.clock import Clock
from runbus.runtime.errors import PoisonError, RetryableError
from runbus.runtime.inbox import Delivery
from runbus.runtime.logs import Log
from runbus.runtime.runlog import RunLog, RunRecord, StaleError

T = TypeVar("T")

STALE_TRIES_MAX = 10
UNKNOWN_AGAIN_S = 2.0


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
        record = await self._run_log.newest(project, run_id)
        for _ in range(STALE_TRIES_MAX):
            verdict = judge(
                command,
                record.status if record is not None else None,
                record.sequence if record is not None else 0,
                asked_by=delivery.envelope.source or "an unnamed client",
                asked_at=delivery.stored_at,
                now=self._clock.now(),
            )
            match verdict:
                case Drop(why=why):
                    return f"dropped: {why}"
                case Wait():
                    text = f"run {run_id} is not known yet"
                    raise RetryableError(text, delay_s=UNKNOWN_AGAIN_S)
                case Unknown():
                    text = f"nobody knows a run {run_id} in project {project}"
                    raise PoisonError(text)
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
                    self._hand_over(stored)
                    return "aborting"
                case _:
                    assert_never(verdict)
        text = f"run {run_id} changes faster than its abort can be stored"
        raise RetryableError(text)


def read_command(delivery: Delivery, struct: type[T]) -> tuple[T, str, str]:
    """Return a command's body, project and run id.

    Raises:
        PoisonError: it cannot be read; the place is named.

    """
    try:
        _, project, run_id = subjects.parse_command(delivery.subject)
        if not subjects.is_project(project) or not subjects.is_run_id(run_id):
            text = f"{delivery.subject} names no project and run id"
            raise PoisonError(text)
        return codec.decode(struct, delivery.data), project, run_id
    except (codec.BrokenMessageError, subjects.SubjectError) as error:
        raise PoisonError(str(error)) from error
