"""The shell: events in, rounds of admission, events out.

Gather (the books, kept from the events) -> plan -> store each admission and each reason. Rounds
never overlap, and whatever happens meanwhile calls for another one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping
from datetime import timedelta
from itertools import chain
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
from runbus.scheduler.model import WAITING_STATES, Limits, Refusal, Snapshot, Waiting

ROUND = "round"
# Stored at once, of one round; the rest is planned again, on what has happened meanwhile.
ROUND_MAX = 512
AT_ONCE_MAX = 64
FAILED_AGAIN = timedelta(seconds=1)


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
        self._waiting: dict[str, RunRecord] = {}
        self._in_flight: dict[str, RunRecord] = {}
        self._at_once = asyncio.Semaphore(AT_ONCE_MAX)

    def on_record(self, record: RunRecord) -> None:
        """Take an event of a run into the books."""
        key = _key(record.status)
        known = self._waiting.get(key) or self._in_flight.get(key)
        if known is not None and record.sequence <= known.sequence:
            return
        self._waiting.pop(key, None)
        freed = self._in_flight.pop(key, None)
        state = record.status.state
        if state in WAITING_STATES:
            self._waiting[key] = record
        elif not state.is_final:
            self._in_flight[key] = record
        if key in self._waiting or (freed is not None and key not in self._in_flight):
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
        return chain(self._waiting.values(), self._in_flight.values())

    async def round(self, _key: str) -> None:
        """Carry out one round of admission."""
        snapshot = Snapshot(
            waiting=tuple(
                Waiting(key=key, status=record.status) for key, record in self._waiting.items()
            ),
            in_flight=self._count(),
            limits=self._limits,
        )
        planned = plan(snapshot, self._clock.now())
        self._queue.set_alarm(ROUND, planned.wake_at)
        async with asyncio.TaskGroup() as tasks:
            for key in planned.admit[:ROUND_MAX]:
                tasks.create_task(self._guarded(self._admit(key), key))
            for refusal in planned.queue[:ROUND_MAX]:
                tasks.create_task(self._guarded(self._queue_up(refusal), refusal.key))
        if len(planned.admit) > ROUND_MAX or len(planned.queue) > ROUND_MAX:
            self._queue.add(ROUND)

    async def _admit(self, key: str) -> None:
        record = self._waiting.get(key)
        if record is None:
            return
        status = record.status
        accepted = await self._run_log.event(
            status.project, status.run_id, status.shard, EventType.ACCEPTED
        )
        if not isinstance(accepted, RunAccepted):
            text = f"run {status.run_id} has no accepted event to take its document from"
            raise RetryableError(text, delay_s=5.0)
        event = RunAdmitted(status=admitted(status, self._clock.now()), document=accepted.document)
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
            if error.newest is not None:
                self.on_record(error.newest)
            return
        self.on_record(stored)
        log.info("event stored", type=event_type.value, reason=status.reason)

    async def _guarded(self, storing: Coroutine[Any, Any, None], key: str) -> None:
        """Store one event of a round; a failure must not end the round for the others."""
        async with self._at_once:
            try:
                await storing
            except (RetryableError, PoisonError) as error:
                self._log.warning("not stored", key=key, reason=str(error))
                self._queue.set_alarm(ROUND, self._clock.now() + FAILED_AGAIN)

    def _count(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for record in self._in_flight.values():
            project = record.status.project
            counts[project] = counts.get(project, 0) + 1
        return counts


def _key(status: RunStatus) -> str:
    return f"{status.project}/{status.run_id}"
