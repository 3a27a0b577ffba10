"""Wiring of the state-watcher: deadline commands; and a lease on shards, with what they need."""

from __future__ import annotations

import asyncio

from runbus.contracts.streams import DEADLINE_CONSUMER
from runbus.contracts.transitions import Publisher
from runbus.runtime.service import Service, main
from runbus.state_watcher.changing import ChangeHandler
from runbus.state_watcher.config import WatcherConfig
from runbus.state_watcher.handler import Handler
from runbus.state_watcher.owning import Shards
from runbus.state_watcher.sharing import SharedLease

NAME_BYTES = 6


async def run(
    service: Service[WatcherConfig],
    handler_type: type[Handler] = Handler,
    shards_type: type[Shards] = Shards,
) -> None:
    """Carry out deadline commands; own a fair share of the shards."""
    changes = ChangeHandler(service.run_log, service.clock)
    inbox = service.inbox(DEADLINE_CONSUMER, in_hand_max=service.config.in_hand_max)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(inbox.run(changes.handle, service.stopping))
        tasks.create_task(_own_shards(service, handler_type, shards_type))


async def _own_shards(
    service: Service[WatcherConfig], handler_type: type[Handler], shards_type: type[Shards]
) -> None:
    process = service.random_bytes(NAME_BYTES).hex()
    replica = service.config.instance or process
    lease = SharedLease(service.bus, replica, process, service.clock, service.log)
    async with service.kubernetes(service.config) as cluster:
        shards = shards_type(service, cluster, lease, handler_type)
        service.health.complete()
        try:
            await shards.run(service.stopping)
        finally:
            await lease.release()


if __name__ == "__main__":
    main(Publisher.STATE_WATCHER, WatcherConfig, run)
