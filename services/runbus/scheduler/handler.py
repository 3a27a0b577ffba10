"""The shell: events in, rounds of admission, events out.

Gather (the books, kept from the events) -> plan -> store each admission and each reason. Rounds
never overlap, and whatever happens meanwhile calls for another one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping
from datetime import timedelta
from typing import Any

from runbus.contracts.events import RunAccepted, RunAdmitted, RunEvent, RunQueued
from runbus.contracts.states import EventType, RunState
from runbus.contracts.status import RunStatus
from runbus.runtime.clock import Clock
from runbus.runtime.errors import PoisonError, RetryableError
from runbus.runtime.logs import Log
from runbus.runtime.runlog import RunLog, RunRecord, StaleError
from runbus.runtime.workqueue import WorkQueue
from runbus.scheduler.decide import admitted, plan, queued
from runbus.scheduler.model import WAITING_STATES, Books, Limits, Refusal

ROUND = "round"
AT_ONCE_MAX = 64  # events of a round that are stored at the same time
FAILED_AGAIN = timedelta(seconds=1)
UNFORESEEN_AGAIN = timedelta(seconds=30)


class Handler:
    """Keeps the books and carries out rounds of admission."""

    def __init__(
        self, run_log: RunLog, queue: WorkQueue, limits: Limits, clock: Clock, log: Log
    ) -> None:
        self._run_log = run_log
        self._queue = queue
        self._limits = limits
        self._clock = clock
        self._log = log
        self._books = Books()
        self._records: dict[str, RunRecord] = {}
        self._at_once = asyncio.Semaphore(AT_ONCE_MAX)

    def on_record(self, record: RunRecord) -> None:
        """Take an event of a run into the books."""
        key = _key(record.status)
        known = self._records.get(key)
        if known is not None and record.sequence <= known.sequence:
            return
        state = record.status.state
        if state.is_final:
            self._records.pop(key, None)
        else:
            self._records[key] = record
        was_in_flight = known is not None and known.status.state not in WAITING_STATES
        self._books.take(key, record.status)
        if state in WAITING_STATES or (was_in_flight and state.is_final):
            self._queue.add(ROUND)

    def limit(self, limits: Limits) -> None:
        """Hold to other limits from now on: they call for a round at once."""
        if limits != self._limits:
            self._limits = limits
            self._queue.add(ROUND)

    def by_state(self) -> Mapping[str, int]:
        """Return how many runs are in each state, of those that are not over."""
        return Counter(record.status.state.value for record in self._all())

    def by_reason(self) -> Mapping[str, int]:
        """Return how many runs are queued for each reason."""
        queued_ones = (each.status for each in self._all() if each.status.state is RunState.QUEUED)
        return Counter(status.reason for status in queued_ones)

    def oldest_s(self) -> dict[str, float]:
        """Return how long the run that entered a state first has been in it, in seconds."""
        now = self._clock.now()
        oldest: dict[str, float] = {}
        for record in self._all():
            state = record.status.state.value
            stayed_s = (now - record.status.since).total_seconds()
            oldest[state] = max(stayed_s, oldest.get(state, 0.0))
        return oldest

    def _all(self) -> Iterable[RunRecord]:
        return self._records.values()

    async def round(self, _key: str) -> None:
        """Carry out one round of admission."""
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
        record = self._records.get(key)
        if record is None or record.status.state not in WAITING_STATES:
            return  # it has ended meanwhile
        status = record.status
        accepted = await self._run_log.event(
            status.project, status.run_id, status.shard, EventType.ACCEPTED
        )
        if not isinstance(accepted, RunAccepted):
            text = f"run {status.run_id} has no accepted event to take its document from"
            raise RetryableError(text, delay_s=5.0)
        event = RunAdmitted(
            status=admitted(status, self._clock.now()),
            document=accepted.document,
            platform=accepted.platform,
        )
        await self._store(EventType.ADMITTED, event, record)

    async def _queue_up(self, refusal: Refusal) -> None:
        record = self._records.get(refusal.key)
        if record is not None and record.status.state in WAITING_STATES:
            event = RunQueued(status=queued(record.status, refusal, self._clock.now()))
            await self._store(EventType.QUEUED, event, record)

    async def _store(self, event_type: EventType, event: RunEvent, before: RunRecord) -> None:
        status = event.status
        log = self._log.bind(run_id=status.run_id, attempt=status.attempt)
        try:
            stored = await self._run_log.publish(event_type, event, before)
        except StaleError as error:
            log.info("run moved on", type=event_type.value, outcome="stale")
            if error.newest is not None:
                self._take_own(error.newest)
            return
        self._take_own(stored)
        log.info("event stored", type=event_type.value, reason=status.reason)

    def _take_own(self, record: RunRecord) -> None:
        """Take what a publish answered: the feed may have seen the run's end before it."""
        if _key(record.status) in self._records:
            self.on_record(record)

    async def _guarded(self, storing: Coroutine[Any, Any, None], key: str) -> None:
        """Store one event of a round; a failure must not end the round for the others."""
        async with self._at_once:
            try:
                await storing
            except (RetryableError, PoisonError) as error:
                self._log.warning("not stored", key=key, reason=str(error))
                self._put_off(key, FAILED_AGAIN)
            except Exception as error:  # noqa: BLE001 - a loop's one: a run must not stop all
                self._log.exception("not stored", key=key, error=type(error).__name__)
                self._put_off(key, UNFORESEEN_AGAIN)

    def _put_off(self, key: str, wait: timedelta) -> None:
        record = self._records.get(key)
        if record is not None and record.status.state in WAITING_STATES:
            self._books.defer(key, record.status, self._clock.now() + wait)


def _key(status: RunStatus) -> str:
    return f"{status.project}/{status.run_id}"
