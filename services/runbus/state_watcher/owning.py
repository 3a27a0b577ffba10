"""The shards that are ours: each set that was gained together with its own runs, feed and watches.

A set begins as a watcher that owns nothing else would: it reads the bucket `live` and lists pods
before it judges anything, so what is ours already is not disturbed. A set only ever shrinks: shares
let go of what came last, so that one set is left when replicas have come and gone (ADR 27).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from runbus.contracts import labels
from runbus.contracts.identity import shard_of
from runbus.contracts.leases import ALL_SHARDS
from runbus.runtime.kube import Kube
from runbus.runtime.livefeed import LiveFeed
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
from runbus.state_watcher.watching import PodWatch


class ShardSet:
    """Shards that were gained together. It is the fence of its own handler."""

    def __init__(
        self,
        service: Service[WatcherConfig],
        cluster: Kube,
        lease: SharedLease,
        shards: Collection[str],
        handler_type: type[Handler] = Handler,
    ) -> None:
        config = service.config
        scopes = config.namespaces or (EVERYWHERE,)
        self.shards = frozenset(shards)
        self._lease = lease
        self._workers = config.workers
        self._narrowed = asyncio.Event()
        self._ending = asyncio.Event()
        self.queue = WorkQueue(service.clock, service.log, service.metrics)
        self._nodes = Nodes(cluster, service.clock, service.log, self.queue.add)
        self._purger = LivePurger(service.bus, service.clock, service.log)
        self._handler = handler_type(
            service.run_log,
            service.bus,
            cluster,
            self.queue,
            Rules(
                abort_never_pullable=config.abort_never_pullable,
                unreachable_force_after_s=config.unreachable_force_after_s,
            ),
            service.clock,
            service.log,
            Scopes(scopes),
            Runs(config.unpacked_max),
            self._nodes,
            self._purger,
            self,
            service.metrics,
            service.tracing,
        )
        self._feed = LiveFeed(service.bus, _filters(self.shards), service.log)
        selector = selector_of(self.shards)
        self._watches = [
            PodWatch(
                cluster,
                scope,
                selector,
                self._handler,
                service.clock,
                service.log,
                service.metrics,
                config.watch_silence_s,
            )
            for scope in scopes
        ]

    def __len__(self) -> int:
        """Return how many runs are held in memory."""
        return len(self._handler)

    def holds(self, run_id: str) -> bool:
        """Whether a run is of one of these shards."""
        return shard_of(run_id) in self.shards

    def may_act(self, run_id: str) -> bool:
        """Whether a run is of one of these shards, and no other replica can have them yet."""
        return self._lease.is_valid and self.holds(run_id)

    def ready_problem(self) -> str | None:
        """Return why runs cannot be judged."""
        problems = [self._feed.ready_problem(), self._handler.ready_problem()]
        problems += [each.ready_problem() for each in self._watches]
        return next(filter(None, problems), None)

    def drop(self, shards: Collection[str]) -> None:
        """End with some shards: from now on nothing is done about their runs."""
        left = self.shards - frozenset(shards)
        if left == self.shards:
            return
        self.shards = left
        self._handler.drop()
        self._narrowed.set()
        if not left:
            self.end()

    def end(self) -> None:
        """Have `run` finish what is in hand, and end."""
        self._ending.set()

    async def run(self) -> None:
        """Look after the shards until `end`."""
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(self._follow()),
                tasks.create_task(self._purger.run()),
                tasks.create_task(self._nodes.run()),
            ]
            await self.queue.run(self._handler.look_at, self._ending, workers=self._workers)
            for task in background:
                task.cancel()

    async def _follow(self) -> None:
        """Take in events and pods; with fewer shards, go on from where that was."""
        while True:
            self._narrowed.clear()
            async with asyncio.TaskGroup() as tasks:
                begun = [tasks.create_task(self._feed.run(self._handler.on_record))]
                begun += [tasks.create_task(self._watch(each)) for each in self._watches]
                await self._narrowed.wait()
                for task in begun:
                    task.cancel()
            if not self.shards:
                return
            self._feed.narrow(sorted(self.shards))
            for watch in self._watches:
                watch.narrow(selector_of(self.shards))

    async def _watch(self, watch: PodWatch) -> None:
        await self._feed.loaded.wait()
        await watch.run()


class Shards:
    """All sets of this replica: begins and ends them as the lease says."""

    def __init__(
        self,
        service: Service[WatcherConfig],
        cluster: Kube,
        lease: SharedLease,
        handler_type: type[Handler] = Handler,
        set_type: type[ShardSet] = ShardSet,
    ) -> None:
        self._service = service
        self._cluster = cluster
        self._lease = lease
        self._handler_type = handler_type
        self._set_type = set_type
        self._sets: list[ShardSet] = []
        self._tasks: asyncio.TaskGroup | None = None
        self._lives: set[asyncio.Task[None]] = set()
        self._register(service)

    def _register(self, service: Service[WatcherConfig]) -> None:
        metrics = service.metrics
        service.health.add("shards", self.ready_problem)
        metrics.gauge("shards_owned", "Shards of this replica", self._owned)
        metrics.gauge("runs_tracked", "Runs in memory", lambda: sum(map(len, self._sets)))
        metrics.gauge(
            "queue_length",
            "Keys that wait for a worker",
            lambda: sum(len(each.queue) for each in self._sets),
        )
        metrics.gauge(
            "timers_armed", "Keys with a timer", lambda: sum(e.queue.alarms for e in self._sets)
        )

    def _owned(self) -> float:
        return float(len(self._lease.shards)) if self._lease.is_valid else 0.0

    def ready_problem(self) -> str | None:
        """Return why this replica does not do its part."""
        problems = [self._lease.ready_problem(), *(each.ready_problem() for each in self._sets)]
        return next(filter(None, problems), None)

    def gain(self, shards: tuple[str, ...], origin: Origin) -> None:
        """Begin with shards."""
        assert self._tasks is not None, "the lease is kept within `run`"
        self._service.metrics.shards_gained.labels(origin.value).inc(len(shards))
        gained = self._set_type(
            self._service, self._cluster, self._lease, shards, self._handler_type
        )
        self._sets.append(gained)
        live = self._tasks.create_task(self._live(gained))
        self._lives.add(live)
        live.add_done_callback(self._lives.discard)

    def drop(self, shards: tuple[str, ...]) -> None:
        """End with shards."""
        for each in self._sets:
            each.drop(shards)

    async def run(self, stopping: asyncio.Event) -> None:
        """Own a fair share of the shards; once stopping, finish what is in hand, and let go."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            keeping = tasks.create_task(self._lease.keep(self, stopping))
            await stopping.wait()
            for each in self._sets:
                each.end()
            if self._lives:
                await asyncio.wait(self._lives)
            self._lease.end()
            await keeping

    async def _live(self, gained: ShardSet) -> None:
        await gained.run()
        self._sets.remove(gained)


def selector_of(shards: Collection[str]) -> str:
    """Return the label selector of the pods of some shards; of all, of every pod that has one."""
    if len(shards) == len(ALL_SHARDS):
        return labels.SHARD
    return f"{labels.SHARD} in ({','.join(sorted(shards))})"


def _filters(shards: Collection[str]) -> list[str] | None:
    return None if len(shards) == len(ALL_SHARDS) else sorted(shards)
