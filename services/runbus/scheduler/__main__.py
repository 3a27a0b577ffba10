"""Wiring of the scheduler: limits, lease, feed, rounds, sweeps."""

from __future__ import annotations

import asyncio

from runbus.contracts.transitions import Publisher
from runbus.runtime.leases import Lease
from runbus.runtime.livefeed import LiveFeed
from runbus.runtime.service import Service, main
from runbus.runtime.settings import read_defaults
from runbus.scheduler.config import SchedulerConfig
from runbus.scheduler.handler import ROUND, Handler
from runbus.scheduler.model import Limits
from runbus.scheduler.sweeping import Sweeper


async def run(service: Service[SchedulerConfig]) -> None:
    """Admit runs while the lease is ours."""
    defaults = read_defaults(service.config.defaults_file)
    limits = Limits(
        concurrent_runs=defaults.limits.concurrent_runs,
        by_project=defaults.concurrent_runs_by_project(),
    )
    lease = service.lease()
    service.health.complete()
    try:
        if await lease.acquire(service.stopping):
            await _schedule(service, lease, limits)
    finally:
        await lease.release()


async def _schedule(service: Service[SchedulerConfig], lease: Lease, limits: Limits) -> None:
    queue = service.queue()
    handler = Handler(service.run_log, queue, limits, service.clock, service.log)
    feed = LiveFeed(service.bus, None, service.log)
    sweeper = Sweeper(
        service.bus,
        service.clock,
        service.log,
        retention_days=service.config.retention_days,
        purged=service.metrics.runs_purged,
    )
    service.metrics.gauges("runs", "Runs not yet over, by state", "state", handler.by_state)
    service.metrics.gauges(
        "runs_oldest_seconds", "Longest stay of a run in its state", "state", handler.oldest_s
    )
    service.metrics.gauges("runs_queued", "Queued runs by reason", "reason", handler.by_reason)
    service.health.add("feed", feed.ready_problem)
    async with asyncio.TaskGroup() as tasks:
        background = [
            tasks.create_task(feed.run(handler.on_record)),
            tasks.create_task(lease.keep(service.stopping)),
        ]
        await feed.loaded.wait()
        background.append(tasks.create_task(sweeper.run(service.config.sweep_every_s)))
        queue.add(ROUND)
        await queue.run(handler.round, service.stopping, workers=1)
        for task in background:
            task.cancel()


if __name__ == "__main__":
    main(Publisher.SCHEDULER, SchedulerConfig, run)
