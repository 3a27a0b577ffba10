"""What brings the events and pods of some shards: their feed, and a watch of each namespace.

A source that ended goes on from where it was: with fewer shards, or with those of another one that
has ended as well. It must not know the lease, or what becomes of events and pods.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from runbus.contracts import labels
from runbus.contracts.leases import ALL_SHARDS
from runbus.reading.objects import Pod
from runbus.runtime.kube import Kube
from runbus.runtime.livefeed import LiveFeed
from runbus.runtime.service import Service
from runbus.state_watcher.config import WatcherConfig
from runbus.state_watcher.handler import Handler
from runbus.state_watcher.watching import PodWatch


class Source:
    """Feed and watches of some shards. It tells its watches' handler whose lists are in.

    `on_steady` is called each time that everything may have been brought up to date.
    """

    def __init__(
        self,
        service: Service[WatcherConfig],
        cluster: Kube,
        handler: Handler,
        scopes: Sequence[str],
        shards: Collection[str],
        on_steady: Callable[[], None],
    ) -> None:
        self.shards = frozenset(shards)
        self._handler = handler
        self._on_steady = on_steady
        self._changed = asyncio.Event()
        self._is_ending = False
        self._absorbed: list[Source] = []
        self._adapted = self.shards  # what feed and watches are about
        self._listed: dict[str, frozenset[str]] = {}  # what the newest list of a scope is about
        self._feed = LiveFeed(service.bus, _filters(self.shards), service.log)
        selector = selector_of(self.shards)
        self._watches = [
            PodWatch(
                cluster,
                scope,
                selector,
                self,
                service.clock,
                service.log,
                service.metrics,
                service.config.watch_silence_s,
            )
            for scope in scopes
        ]

    @property
    def is_steady(self) -> bool:
        """Whether it goes on, everything is read, listed and watched."""
        return bool(self.shards) and not self._is_ending and self.ready_problem() is None

    def ready_problem(self) -> str | None:
        """Return why its runs cannot be judged."""
        problems = [self._feed.ready_problem(), *(each.ready_problem() for each in self._watches)]
        return next(filter(None, problems), None)

    def drop(self, shards: Collection[str]) -> None:
        """End with some shards."""
        left = self.shards - frozenset(shards)
        if left != self.shards:
            self.shards = left
            self._changed.set()

    def absorb(self, other: Source) -> None:
        """Go on with the shards of another source as well; it has ended, and stays so."""
        self.shards |= other.shards
        self._absorbed.append(other)
        self._changed.set()

    def end(self) -> None:
        """Have `run` end, also where it has not begun yet."""
        self._is_ending = True
        self._changed.set()

    def reopen(self) -> None:
        """Take back `end`: it can be run again, and goes on from where it was."""
        self._is_ending = False

    async def run(self) -> None:
        """Bring events and pods until `end`, or until no shard is left."""
        while not self._is_ending and self.shards:
            self._adapt()
            self._changed.clear()
            async with asyncio.TaskGroup() as tasks:
                begun = [tasks.create_task(self._feed.run(self._handler.on_record))]
                begun += [tasks.create_task(self._watch(each)) for each in self._watches]
                await self._changed.wait()
                for task in begun:
                    task.cancel()
        self._adapt()

    def _adapt(self) -> None:
        """Have feed and watches go on with the shards that are ours now; none of them runs."""
        for other in self._absorbed:
            self._feed.absorb(other._feed)
            for own, others in zip(self._watches, other._watches, strict=True):
                own.absorb(others, self._adapted, other.shards)
            self._adapted |= other.shards
        self._absorbed.clear()
        self._adapted = self.shards
        self._feed.select(_filters(self.shards))
        for watch in self._watches:
            watch.select(selector_of(self.shards))

    async def _watch(self, watch: PodWatch) -> None:
        await self._feed.loaded.wait()
        await watch.run()

    # What the watches tell.

    def on_pod(self, pod: Pod, seen_at: datetime, live: bool) -> None:
        """Pass on a pod as it is now."""
        self._handler.on_pod(pod, seen_at, live)

    def on_pod_gone(self, pod: Pod, seen_at: datetime) -> None:
        """Pass on the last version of a pod that has been removed."""
        self._handler.on_pod_gone(pod, seen_at)

    def on_list_begun(self, scope: str) -> int:
        """Pass on that a list begins; return its number."""
        self._listed[scope] = self._adapted
        return self._handler.on_list_begun(scope)

    def on_list(self, scope: str, number: int) -> None:
        """Pass on that a list is in: of the shards that it was about and that are ours still."""
        self._handler.on_list(scope, number, self._listed[scope] & self.shards)

    def on_reachable(self, scope: str, reachable: bool) -> None:
        """Pass on whether the API server answers."""
        self._handler.on_reachable(scope, reachable, self.shards)
        if reachable:
            self._on_steady()


def selector_of(shards: Collection[str]) -> str:
    """Return the label selector of the pods of some shards; of all, of every pod that has one."""
    if len(shards) == len(ALL_SHARDS):
        return labels.SHARD
    return f"{labels.SHARD} in ({','.join(sorted(shards))})"


def _filters(shards: Collection[str]) -> list[str] | None:
    return None if len(shards) == len(ALL_SHARDS) else sorted(shards)
