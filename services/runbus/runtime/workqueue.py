"""A queue of keys with one timer heap: each key handled by one worker at a time, never lost.

A message or an alarm says "look at this run", never what changed; a key added while it is being
handled is handled once more. One heap and one sleeping task serve every alarm of the process, and
an alarm is replaced, not added to: a key has at most one.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from runbus.runtime.clock import Clock
from runbus.runtime.errors import FatalError, RetryableError
from runbus.runtime.logs import Log
from runbus.runtime.metrics import Metrics

# The clock of the day can be set: an alarm never sleeps longer than this without a look at it.
SLEEP_MAX_S = 30.0
# Replaced alarms stay in the heap until their time; beyond as many again it is built anew.
HEAP_SLACK = 1000
# Looks that await nothing would keep the loop from everything else.
LOOKS_AT_A_TIME = 16
UNFORESEEN_DELAY_FIRST_S = 1.0
UNFORESEEN_DELAY_MAX_S = 60.0

Handle = Callable[[str], Awaitable[None]]


class WorkQueue:
    """Keys to be looked at now, or at a time."""

    def __init__(self, clock: Clock, log: Log, metrics: Metrics | None = None) -> None:
        self._clock = clock
        self._log = log
        self._lateness_s = (metrics or Metrics()).timer_lateness_s
        self._ready: deque[str] = deque()
        self._waiting: set[str] = set()  # in _ready
        self._in_hand: set[str] = set()
        self._again: set[str] = set()  # added while in hand
        self._alarms: dict[str, datetime] = {}
        self._heap: list[tuple[datetime, str]] = []
        self._failures: dict[str, int] = {}
        self._work = asyncio.Event()
        self._alarm_set = asyncio.Event()

    def __len__(self) -> int:
        """Return how many keys wait for a worker."""
        return len(self._ready)

    @property
    def alarms(self) -> int:
        """How many keys have an alarm set."""
        return len(self._alarms)

    @property
    def memory(self) -> int:
        """How many alarms are held, those replaced or cleared included."""
        return len(self._heap)

    def add(self, key: str) -> None:
        """Have a key looked at as soon as possible."""
        if key in self._in_hand:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.append(key)
            self._work.set()

    def set_alarm(self, key: str, at: datetime | None) -> None:
        """Have a key looked at when a time comes; None clears its alarm."""
        if at is None:
            self._alarms.pop(key, None)
            self._tidy()
            return
        if self._alarms.get(key) == at:
            return
        self._alarms[key] = at
        heapq.heappush(self._heap, (at, key))
        self._tidy()
        if self._heap[0][1] == key:
            self._alarm_set.set()

    def _tidy(self) -> None:
        if len(self._heap) >= 2 * len(self._alarms) + HEAP_SLACK:
            self._heap = [(at, key) for key, at in self._alarms.items()]
            heapq.heapify(self._heap)

    def forget(self, key: str) -> None:
        """Drop a key's alarm and its record of failures."""
        self.set_alarm(key, None)
        self._failures.pop(key, None)

    async def run(self, handle: Handle, stopping: asyncio.Event, *, workers: int) -> None:
        """Handle keys until told to stop; then finish those in hand.

        Args:
            handle: looks at one key. RetryableError brings the key back after its delay; what
                nobody foresaw is logged and brings it back later and later.
            stopping: set on SIGTERM.
            workers: keys in hand at once.

        """
        async with asyncio.TaskGroup() as tasks:
            ringer = tasks.create_task(self._ring())
            hands = [tasks.create_task(self._worker(handle, stopping)) for _ in range(workers)]
            await stopping.wait()
            self._work.set()
            for hand in hands:
                await hand
            ringer.cancel()

    async def _worker(self, handle: Handle, stopping: asyncio.Event) -> None:
        looked = 0
        while not stopping.is_set():
            if not self._ready:
                self._waiting.clear()  # gives back the room that a burst has taken
                self._work.clear()
                await self._work.wait()
                continue
            looked += 1
            if looked % LOOKS_AT_A_TIME == 0:
                await asyncio.sleep(0)
                continue
            key = self._ready.popleft()
            self._waiting.discard(key)
            self._in_hand.add(key)
            try:
                await self._guarded(handle, key)
            finally:
                self._in_hand.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    async def _guarded(self, handle: Handle, key: str) -> None:
        try:
            await handle(key)
        except RetryableError as error:
            self._log.warning("looked at in vain", key=key, reason=str(error))
            self._come_back(key, error.delay_s)
        except FatalError:
            raise
        except Exception as error:  # noqa: BLE001 - a message loop's one: a run must not stop all
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            delay_s = min(UNFORESEEN_DELAY_FIRST_S * 2 ** min(failures, 10), UNFORESEEN_DELAY_MAX_S)
            self._log.exception("look failed", key=key, error=type(error).__name__)
            self._come_back(key, delay_s)
        else:
            self._failures.pop(key, None)

    def _come_back(self, key: str, delay_s: float) -> None:
        at = self._clock.now() + timedelta(seconds=delay_s)
        alarm = self._alarms.get(key)
        self.set_alarm(key, at if alarm is None else min(at, alarm))

    async def _ring(self) -> None:
        while True:
            self._alarm_set.clear()
            wait_s = self._ring_due()
            try:
                async with asyncio.timeout(wait_s):
                    await self._alarm_set.wait()
            except TimeoutError:
                pass

    def _ring_due(self) -> float:
        """Add the keys whose time has come; return the seconds until the next one."""
        now = self._clock.now()
        while self._heap:
            at, key = self._heap[0]
            if self._alarms.get(key) != at:
                heapq.heappop(self._heap)  # replaced or cleared since
                continue
            if at > now:
                return min((at - now).total_seconds(), SLEEP_MAX_S)
            heapq.heappop(self._heap)
            del self._alarms[key]
            self._lateness_s.observe((now - at).total_seconds())
            self.add(key)
        return SLEEP_MAX_S
