"""The shards that are ours: one handler for all their runs, and what brings it events and pods.

Shards that are gained together have a source of their own at first: it reads the bucket `live` and
lists pods before anything of theirs is judged, so that what is ours already is not disturbed. Once
it watches, it is merged with the one that was there: one watch of each kind is left (ADR-0032).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from runbus.contracts.identity import shard_of
from runbus.runtime.kube import Kube
from runbus.runtime.service import Service
from runbus.runtime.workqueue import WorkQueue
from runbus.state_watcher.config import WatcherConfig
from runbus.state_watcher.decide import Rules
from runbus.state_watcher.handler import Handler
from runbus.state_watcher.holding import Runs
from runbus.state_watcher.nodes import Nodes
from runbus.state_watcher.purging import LivePurger
from runbus.state_watcher.scopes import EVERYWHERE, Scopes
from runbus.state_watcher.shards import Origin
from runbus.state_watcher.sharing import SharedLease
from runbus.state_watcher.sources import Source


class Shards:
    """All shards of this replica. It is the fence of its own handler."""

    def __init__(
        self,
        service: Service[WatcherConfig],
        cluster: Kube,
        lease: SharedLease,
        handler_type: type[Handler] = Handler,
    ) -> None:
        config = service.config
        self._service = service
        self._cluster = cluster
        self._lease = lease
        self._scopes = config.namespaces or (EVERYWHERE,)
        self._held: frozenset[str] = frozenset()
        self._queue = WorkQueue(service.clock, service.log, service.metrics)
        self._nodes = Nodes(cluster, service.clock, service.log, self._queue.add)
        self._purger = LivePurger(service.bus, service.clock, service.log)
        self._handler = handler_type(
            service.run_log,
            service.bus,
            cluster,
            self._queue,
            Rules(
                abort_never_pullable=config.abort_never_pullable,
                unreachable_force_after_s=config.unreachable_force_after_s,
            ),
            service.clock,
            service.log,
            Scopes(self._scopes),
            Runs(config.unpacked_max),
            self._nodes,
            self._purger,
            self,
            service.metrics,
            service.tracing,
        )
        self._sources: list[Source] = []
        self._is_over = False
        self._tasks: asyncio.TaskGroup | None = None
        self._register(service)

    def _register(self, service: Service[WatcherConfig]) -> None:
        metrics, queue = service.metrics, self._queue
        service.health.add("shards", self.ready_problem)
        metrics.gauge("shards_owned", "Shards of this replica", self._owned)
        metrics.gauge("runs_tracked", "Runs in memory", lambda: len(self._handler))
        metrics.gauge("queue_length", "Keys that wait for a worker", lambda: len(queue))
        metrics.gauge("timers_armed", "Keys with a timer", lambda: queue.alarms)

    def _owned(self) -> float:
        return float(len(self._lease.shards)) if self._lease.is_valid else 0.0

    def ready_problem(self) -> str | None:
        """Return why this replica does not do its part."""
        problems = [self._lease.ready_problem(), *(e.ready_problem() for e in self._sources)]
        return next(filter(None, problems), None)

    # Whose runs they are.

    def holds(self, run_id: str) -> bool:
        """Whether a run is of one of our shards."""
        return shard_of(run_id) in self._held

    def may_act(self, run_id: str) -> bool:
        """Whether a run is of one of our shards, and no other replica can have them yet."""
        return self._lease.is_valid and self.holds(run_id)

    # What the lease says.

    def gain(self, shards: tuple[str, ...], origin: Origin) -> None:
        """Begin with shards."""
        self._service.metrics.shards_gained.labels(origin.value).inc(len(shards))
        self._held |= frozenset(shards)
        gained = Source(
            self._service, self._cluster, self._handler, self._scopes, shards, self._merge
        )
        self._begin(gained)

    def drop(self, shards: Collection[str]) -> None:
        """End with shards: from now on nothing is done about their runs."""
        if self._held.isdisjoint(shards):
            return
        self._held -= frozenset(shards)
        self._handler.drop(shards)
        for each in self._sources:
            each.drop(shards)

    async def run(self, stopping: asyncio.Event) -> None:
        """Own a fair share of the shards; once stopping, finish what is in hand, and let go."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            keeping = tasks.create_task(self._lease.keep(self, stopping))
            background = [
                tasks.create_task(self._purger.run()),
                tasks.create_task(self._nodes.run()),
            ]
            workers = self._service.config.workers
            await self._queue.run(self._handler.look_at, stopping, workers=workers)
            self._is_over = True
            for each in self._sources:
                each.end()
            self._lease.end()
            await keeping
            for task in background:
                task.cancel()

    # Events and pods.

    def _begin(self, source: Source) -> None:
        if self._is_over:
            return
        assert self._tasks is not None, "the lease is kept within `run`"
        self._sources.append(source)
        self._tasks.create_task(self._live(source))

    async def _live(self, source: Source) -> None:
        await source.run()
        self._sources.remove(source)
        if not source.shards:
            return
        largest = self._largest()
        if largest is not None:
            largest.absorb(source)
        else:  # what it was to be merged with has been let go of
            source.reopen()
            self._begin(source)

    def _merge(self) -> None:
        """End every source but the largest of those that are up to date; `_live` merges them."""
        largest = self._largest()
        for each in self._sources:
            if each is not largest and each.is_steady:
                each.end()

    def _largest(self) -> Source | None:
        steady = [each for each in self._sources if each.is_steady]
        return max(steady, key=lambda each: len(each.shards), default=None)
