"""The shell: events in, rounds of admission, events out.

Gather (the books, kept from the events) -> plan -> store each admission and each reason. Rounds
never overlap, and whatever happens meanwhile calls for another one. A run whose events cannot be
read, or whose next one cannot be stored, ends by way of the dead letters.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from runbus.contracts.events import RunAccepted, RunAdmitted, RunEvent, RunQueued
from runbus.contracts.states import EventType, RunState
from runbus.contracts.status import RunStatus
from runbus.runtime.clock import Clock
from runbus.runtime.deadletters import DeadLetters
from runbus.runtime.errors import PoisonError, RetryableError
from runbus.runtime.logs import Log
from runbus.runtime.runlog import RunLog, RunRecord, StaleError
from runbus.runtime.workqueue import WorkQueue
from runbus.scheduler.decide import admitted, plan, queued
from runbus.scheduler.model import WAITING_STATES, Books, InFlight, Limits, Refusal
from runbus.sdk.errors import BusError

ROUND = "round"
AT_ONCE_MAX = 64  # events of a round that are stored at the same time
FAILED_AGAIN = timedelta(seconds=1)
UNFORESEEN_AGAIN = timedelta(seconds=30)


class Handler:
    """Keeps the books and carries out rounds of admission."""

    def __init__(
        self,
        run_log: RunLog,
        dead_letters: DeadLetters,
        queue: WorkQueue,
        limits: Limits,
        clock: Clock,
        log: Log,
    ) -> None:
        self._run_log = run_log
        self._dead_letters = dead_letters
        self._queue = queue
        self._limits = limits
        self._clock = clock
        self._log = log
        self._books = Books()
        self._waiting: dict[str, RunRecord] = {}
        self._in_flight: dict[str, InFlight] = {}
        self._unreadable: dict[str, int] = {}  # the newest such event of runs to be looked at
        self._at_once = asyncio.Semaphore(AT_ONCE_MAX)

    def on_record(self, record: RunRecord) -> None:
        """Take an event of a run into the books."""
        key = _key(record.status)
        waiting, in_flight = self._waiting.get(key), self._in_flight.get(key)
        known = waiting or in_flight
        if known is not None and record.sequence <= known.sequence:
            return
        state = record.status.state
        self._waiting.pop(key, None)
        self._in_flight.pop(key, None)
        if state in WAITING_STATES:
            self._waiting[key] = record
        elif not state.is_final:
            self._in_flight[key] = InFlight(record.sequence, state, record.status.since)
        self._books.take(key, record.status)
        if state in WAITING_STATES or (in_flight is not None and state.is_final):
            self._queue.add(ROUND)

    def on_unreadable(self, project: str, run_id: str, sequence: int) -> None:
        """Have a run looked at whose event cannot be read: it may be waiting for us."""
        key = f"{project}/{run_id}"
        self._unreadable[key] = max(sequence, self._unreadable.get(key, 0))
        self._queue.add(key)

    def limit(self, limits: Limits) -> None:
        """Hold to other limits from now on: they call for a round at once."""
        if limits != self._limits:
            self._limits = limits
            self._queue.add(ROUND)

    def by_state(self) -> Mapping[str, int]:
        """Return how many runs are in each state, of those that are not over."""
        return Counter(state.value for state, _ in self._all())

    def by_reason(self) -> Mapping[str, int]:
        """Return how many runs are queued for each reason."""
        waiting = (each.status for each in self._waiting.values())
        return Counter(status.reason for status in waiting if status.state is RunState.QUEUED)

    def oldest_s(self) -> dict[str, float]:
        """Return how long the run that entered a state first has been in it, in seconds."""
        now = self._clock.now()
        oldest: dict[str, float] = {}
        for state, since in self._all():
            stayed_s = (now - since).total_seconds()
            oldest[state.value] = max(stayed_s, oldest.get(state.value, 0.0))
        return oldest

    def _all(self) -> Iterable[tuple[RunState, datetime]]:
        """Yield state and entry of each run that is not over."""
        for record in self._waiting.values():
            yield record.status.state, record.status.since
        for each in self._in_flight.values():
            yield each.state, each.since

    async def look(self, key: str) -> None:
        """Carry out one round of admission, or set aside what a run has last said.

        Raises:
            RetryableError: the bus did not answer.

        """
        if key == ROUND:
            await self._round()
            return
        project, _, run_id = key.partition("/")
        since = self._unreadable.pop(key, 0)  # waited for once: it may have been purged
        try:
            is_set_aside = await self._dead_letters.set_aside_newest(project, run_id, since=since)
        except BusError as error:
            text = f"cannot set aside the newest event of {key}: {error}"
            raise RetryableError(text) from error
        self._log.warning("unreadable run", key=key, is_set_aside=is_set_aside)

    async def _round(self) -> None:
        planned = plan(self._books, self._limits, self._clock.now())
        async with asyncio.TaskGroup() as tasks:
            for key in planned.admit:
                tasks.create_task(self._guarded(self._admit(key), key))
            for refusal in planned.queue:
                tasks.create_task(self._guarded(self._queue_up(refusal), refusal.key))
        self._queue.set_alarm(ROUND, self._books.next_backoff)
        if planned.more:
            self._queue.add(ROUND)

    async def _admit(self, key: str) -> None:
        record = self._waiting.get(key)
        if record is None:
            return  # it has ended meanwhile
        status = record.status
        accepted = await self._run_log.event(
            status.project, status.run_id, status.shard, EventType.ACCEPTED
        )
        if not isinstance(accepted, RunAccepted):
            text = f"run {status.run_id} has no accepted event to take its document from"
            raise RetryableError(text, delay_s=5.0)
        event = RunAdmitted(
            status=admitted(status, self._clock.now(), accepted.platform),
            document=accepted.document,
            platform=accepted.platform,
        )
        await self._store(EventType.ADMITTED, event, record)

    async def _queue_up(self, refusal: Refusal) -> None:
        record = self._waiting.get(refusal.key)
        if record is not None:
            event = RunQueued(status=queued(record.status, refusal, self._clock.now()))
            await self._store(EventType.QUEUED, event, record)

    async def _store(self, event_type: EventType, event: RunEvent, before: RunRecord) -> None:
        status = event.status
        log = self._log.bind(run_id=status.run_id, attempt=status.attempt)
        try:
            stored = await self._run_log.publish(event_type, event, before)
        except StaleError as error:
            log.info("run moved on", type=event_type.value, outcome="stale")
            self._take_own(error.newest)
            return
        self._take_own(stored)
        log.info("event stored", type=event_type.value, reason=status.reason)

    def _take_own(self, record: RunRecord) -> None:
        """Take what a publish answered: the feed may have seen the run's end before it."""
        key = _key(record.status)
        if key in self._waiting or key in self._in_flight:
            self.on_record(record)

    async def _guarded(self, storing: Coroutine[Any, Any, None], key: str) -> None:
        """Store one event of a round; a failure must not end the round for the others."""
        async with self._at_once:
            try:
                await storing
            except RetryableError as error:
                self._log.warning("not stored", key=key, reason=str(error))
                self._put_off(key, FAILED_AGAIN)
            except PoisonError as error:
                self._log.warning("cannot be stored", key=key, reason=str(error))
                self._put_off(key, UNFORESEEN_AGAIN)
                await self._set_aside(key, str(error))
            except Exception as error:  # noqa: BLE001 - a loop's one: a run must not stop all
                self._log.exception("not stored", key=key, error=type(error).__name__)
                self._put_off(key, UNFORESEEN_AGAIN)

    async def _set_aside(self, key: str, reason: str) -> None:
        """End a run that cannot go on; the bus away, it is tried again with the run."""
        record = self._waiting.get(key)
        if record is None:
            return
        try:
            await self._dead_letters.set_aside_accepted(record.status, reason)
        except (BusError, RetryableError) as error:
            self._log.warning("not set aside", key=key, reason=str(error))

    def _put_off(self, key: str, wait: timedelta) -> None:
        record = self._waiting.get(key)
        if record is not None:
            self._books.defer(key, record.status, self._clock.now() + wait)


def _key(status: RunStatus) -> str:
    return f"{status.project}/{status.run_id}"
