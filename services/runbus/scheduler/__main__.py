"""Wiring of the scheduler: defaults, lease, feed, rounds, sweeps."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from runbus.contracts.transitions import Publisher
from runbus.runtime.defaults_feed import DefaultsFeed
from runbus.runtime.leases import Lease
from runbus.runtime.livefeed import LiveFeed
from runbus.runtime.service import Service, main
from runbus.scheduler.config import SchedulerConfig
from runbus.scheduler.handler import ROUND, Handler
from runbus.scheduler.model import Limits
from runbus.scheduler.sweeping import Sweeper
from runbus.settings.defaults import Defaults

# After a fault of the bus the bucket may lack seconds of events. Who is in flight by them counts
# against the limits; a bus that goes on to lag holds nobody up for longer than this.
UP_TO_DATE_S = 3.0


async def run(service: Service[SchedulerConfig]) -> None:
    """Admit runs while the lease is ours."""
    defaults = service.defaults(service.config.defaults_file)
    lease = service.lease()
    service.health.complete()
    try:
        async with defaults.following(service.stopping):
            if await lease.acquire(service.stopping):
                await _schedule(service, lease, defaults)
    finally:
        await lease.release()


async def _schedule(
    service: Service[SchedulerConfig], lease: Lease, defaults: DefaultsFeed
) -> None:
    queue = service.queue()
    handler = Handler(
        service.run_log,
        service.dead_letters,
        queue,
        _limits(defaults.defaults),
        service.clock,
        service.log,
    )
    defaults.listen(lambda changed: handler.limit(_limits(changed)))
    feed = LiveFeed(service.bus, None, service.log, on_unreadable=handler.on_unreadable)
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
        with suppress(TimeoutError):
            async with asyncio.timeout(UP_TO_DATE_S):
                await feed.up_to_date.wait()
        background.append(tasks.create_task(sweeper.run(service.config.sweep_every_s)))
        queue.add(ROUND)
        await queue.run(handler.look, service.stopping, workers=1)
        for task in background:
            task.cancel()


def _limits(defaults: Defaults) -> Limits:
    return Limits(
        concurrent_runs=defaults.limits.concurrent_runs,
        by_project=defaults.concurrent_runs_by_project(),
    )


if __name__ == "__main__":
    main(Publisher.SCHEDULER, SchedulerConfig, run)
