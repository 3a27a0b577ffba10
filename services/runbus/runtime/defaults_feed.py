"""The operator's defaults in force: read from the bus at start, and followed from then on.

The bucket wins; the process' own defaults file holds while the bucket is empty; else what is
shipped (ADR-0016). A revision that is refused never takes effect: the last good one stays. It must
not know what the defaults are for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from prometheus_client import Counter

from runbus.runtime.logs import Log
from runbus.sdk.bus import Bus, StoredMessage
from runbus.sdk.defaults import DEFAULTS_STREAM, DEFAULTS_SUBJECT, revision_of
from runbus.sdk.follow import Follower, follow
from runbus.settings.defaults import Defaults
from runbus.settings.revisions import Usable, judge_revisions

SILENCE_S = 0.5
VIOLATIONS_LOGGED_MAX = 10

Listener = Callable[[Defaults], None]


class DefaultsFeed:
    """The defaults in force, kept up to date; `revision` 0 where none of the bucket is."""

    def __init__(self, bus: Bus, file: Defaults | None, log: Log, rejected: Counter) -> None:
        self._bus = bus
        self._file = file
        self._log = log
        self._rejected = rejected
        self._listeners: list[Listener] = []
        self._newest: Usable | None = None
        self._follower: Follower | None = None
        self.loaded = asyncio.Event()
        self._without_bus = file if file is not None else Defaults()
        self.defaults = self._without_bus
        self.revision = 0

    def listen(self, listener: Listener) -> None:
        """Have a call told of every change from now on."""
        self._listeners.append(listener)

    def ready_problem(self) -> str | None:
        """Return why the defaults are not known, or are not followed."""
        problem = self._follower.problem if self._follower is not None else None
        if problem is None and not self.loaded.is_set():
            return "the defaults of the bus are not read yet"
        return problem

    @asynccontextmanager
    async def following(self, stopping: asyncio.Event) -> AsyncIterator[None]:
        """Follow within a block, which begins when the bucket has been read, or at `stopping`."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self._run())
            try:
                await self._loaded_or(stopping)
                yield
            finally:
                task.cancel()

    async def _loaded_or(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            waits = {tasks.create_task(each.wait()) for each in (self.loaded, stopping)}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for each in waits:
                each.cancel()

    async def _run(self) -> None:
        async with follow(self._bus, DEFAULTS_STREAM, [DEFAULTS_SUBJECT]) as follower:
            self._follower = follower
            while not self.loaded.is_set():
                batch = await follower.next_batch(SILENCE_S)
                self._take(batch)
                if not batch and not follower.caught_up:
                    await follower.ask_pending()
                if follower.caught_up:
                    self._begin()
            while True:
                if self._take(await follower.next_batch()):
                    self._put_in_force()

    def _take(self, batch: Sequence[StoredMessage]) -> bool:
        """Take revisions as they come; return whether one of them can be used."""
        found = [revision_of(each) for each in batch]
        judged = judge_revisions((each.revision, each.content) for each in found)
        for each in judged.unusable:
            self._rejected.inc()
            told = [f"{one.path}: {one.code}" for one in each.violations[:VIOLATIONS_LOGGED_MAX]]
            self._log.error("defaults refused, no effect", revision=each.revision, violations=told)
        if judged.usable is None:
            return False
        self._newest = judged.usable
        return True

    def _begin(self) -> None:
        self._put_in_force()
        if self.revision and self._file not in (None, self.defaults):
            way_out = "`runbus defaults set -f FILE` brings the file to the bus"
            self._log.warning(
                "the defaults file differs from the bus, and has no effect",
                revision=self.revision,
                way_out=way_out,
            )
        self.loaded.set()

    def _put_in_force(self) -> None:
        """Have what was taken last hold from now on, and tell the listeners."""
        newest = self._newest
        if newest is not None and newest.defaults is not None:
            self.defaults, self.revision = newest.defaults, newest.revision
        else:
            self.defaults, self.revision = self._without_bus, 0
        self._log.info("defaults in force", revision=self.revision)
        for listener in self._listeners:
            listener(self.defaults)
