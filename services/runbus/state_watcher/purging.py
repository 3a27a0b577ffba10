"""Purge the keys of final runs from the bucket `live`: their owner's duty.

It must not know why a run is final. A key is purged some seconds after the final event, because
the server fills the bucket a moment later than the stream; what a crash leaves is found at the
next start, which reads the bucket.
"""

from __future__ import annotations

import asyncio
from collections import deque

from runbus.contracts.status import RunStatus
from runbus.contracts.streams import LIVE_BUCKET
from runbus.runtime.clock import Clock
from runbus.runtime.logs import Log
from runbus.sdk.bus import Bus
from runbus.sdk.errors import BusError

PURGE_AFTER_S = 5.0
PURGE_EVERY_S = 1.0
PURGE_BATCH_MAX = 500
STREAM = f"KV_{LIVE_BUCKET}"


class LivePurger:
    """Remembers which keys to purge, and purges them."""

    def __init__(self, bus: Bus, clock: Clock, log: Log) -> None:
        self._bus = bus
        self._clock = clock
        self._log = log
        self._due: deque[tuple[float, str]] = deque()

    def add(self, status: RunStatus) -> None:
        """Take note of a final run."""
        key = f"$KV.{LIVE_BUCKET}.{status.shard}.{status.project}.{status.run_id}"
        self._due.append((self._clock.monotonic() + PURGE_AFTER_S, key))

    async def run(self) -> None:
        """Purge what is due, until cancelled."""
        while True:
            await asyncio.sleep(PURGE_EVERY_S)
            now = self._clock.monotonic()
            for _ in range(PURGE_BATCH_MAX):
                if not self._due or self._due[0][0] > now:
                    break
                _, key = self._due.popleft()
                await self._purge(key)

    async def _purge(self, key: str) -> None:
        try:
            await self._bus.api(f"STREAM.PURGE.{STREAM}", {"filter": key})
        except BusError as error:
            self._log.warning("key not purged", key=key, error=str(error))
            self._due.append((self._clock.monotonic() + PURGE_AFTER_S, key))
