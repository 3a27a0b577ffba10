"""Wiring of the state-watcher: deadline commands; and lease, feed, watches, work queue."""

from __future__ import annotations

import asyncio

from runbus.contracts import labels
from runbus.contracts.streams import DEADLINE_CONSUMER
from runbus.contracts.transitions import Publisher
from runbus.runtime import kube
from runbus.runtime.leases import Lease
from runbus.runtime.livefeed import LiveFeed
from runbus.runtime.service import Service, main
from runbus.state_watcher.changing import ChangeHandler
from runbus.state_watcher.config import WatcherConfig
from runbus.state_watcher.decide import Rules
from runbus.state_watcher.handler import Handler
from runbus.state_watcher.holding import Runs
from runbus.state_watcher.nodes import Nodes
from runbus.state_watcher.purging import LivePurger
from runbus.state_watcher.scopes import Scopes
from runbus.state_watcher.watching import PodWatch

# One owner of all 64 shards: its selector asks for every pod that has one.
ALL_SHARDS = labels.SHARD


async def run(service: Service[WatcherConfig], handler_type: type[Handler] = Handler) -> None:
    """Carry out deadline commands; own all shards while the lease is ours."""
    changes = ChangeHandler(service.run_log, service.clock)
    inbox = service.inbox(DEADLINE_CONSUMER, in_hand_max=service.config.in_hand_max)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(inbox.run(changes.handle, service.stopping))
        tasks.create_task(_own_while_held(service, handler_type))


async def _own_while_held(service: Service[WatcherConfig], handler_type: type[Handler]) -> None:
    lease = service.lease()
    cluster = await service.connect_kube(service.config)
    service.health.complete()
    try:
        if await lease.acquire(service.stopping):
            await _own(service, lease, cluster, handler_type)
    finally:
        await lease.release()
        await cluster.close()


async def _own(
    service: Service[WatcherConfig],
    lease: Lease,
    cluster: kube.Kube,
    handler_type: type[Handler],
) -> None:
    config, health = service.config, service.health
    scopes = config.namespaces or ("",)
    queue = service.queue()
    rules = Rules(
        abort_never_pullable=config.abort_never_pullable,
        unreachable_force_after_s=config.unreachable_force_after_s,
    )
    nodes = Nodes(cluster, service.clock, service.log, queue.add)
    purger = LivePurger(service.bus, service.clock, service.log)
    handler = handler_type(
        service.run_log,
        service.bus,
        cluster,
        queue,
        rules,
        service.clock,
        service.log,
        Scopes(scopes),
        Runs(config.unpacked_max),
        nodes,
        purger,
        service.metrics,
        service.tracing,
    )
    service.metrics.gauge("runs_tracked", "Runs in memory", lambda: len(handler))
    feed = LiveFeed(service.bus, None, service.log)
    watches = [
        PodWatch(cluster, scope, ALL_SHARDS, handler, service.clock, service.log, service.metrics)
        for scope in scopes
    ]
    health.add("feed", feed.ready_problem)
    health.add("pods", handler.ready_problem)
    async with asyncio.TaskGroup() as tasks:
        background = [
            tasks.create_task(feed.run(handler.on_record)),
            tasks.create_task(purger.run()),
            tasks.create_task(nodes.run()),
            tasks.create_task(lease.keep(service.stopping)),
        ]
        await feed.loaded.wait()
        for watch in watches:
            health.add(f"watch {watch.scope}", watch.ready_problem)
            background.append(tasks.create_task(watch.run()))
        await queue.run(handler.look_at, service.stopping, workers=config.workers)
        for task in background:
            task.cancel()


if __name__ == "__main__":
    main(Publisher.STATE_WATCHER, WatcherConfig, run)
