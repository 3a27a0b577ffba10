"""Wiring of the aborter: three inboxes and the deleter behind them."""

from __future__ import annotations

import asyncio

from runbus.aborter.cleaning import CleanUpHandler, EvidenceHandler
from runbus.aborter.cluster import Cluster
from runbus.aborter.config import AborterConfig
from runbus.aborter.deleting import Deleter
from runbus.aborter.handler import AbortHandler
from runbus.contracts.streams import ABORT_CONSUMER, CLEANUP_CONSUMER, EVIDENCE_CONSUMER
from runbus.contracts.transitions import Publisher
from runbus.runtime.service import Service, main


async def run(service: Service[AborterConfig]) -> None:
    """Carry out aborts and clean-ups until told to stop."""
    connection = await service.connect_kube(service.config)
    try:
        await _abort(service, Cluster(connection))
    finally:
        await connection.close()


async def _abort(service: Service[AborterConfig], cluster: Cluster) -> None:
    config, run_log, clock, log = service.config, service.run_log, service.clock, service.log
    deleter = Deleter(cluster, run_log, service.bus, clock, log, config)
    aborts = AbortHandler(run_log, clock, log, deleter.hand_over)
    clean_ups = CleanUpHandler(run_log, cluster, deleter, clock, log, config)
    evidence = EvidenceHandler(run_log, deleter)
    handed_over = asyncio.Event()  # set once no inbox can hand anything over any more
    async with asyncio.TaskGroup() as tasks:
        deleting = tasks.create_task(deleter.run(handed_over))
        async with asyncio.TaskGroup() as inboxes:
            for consumer, handler in (
                (ABORT_CONSUMER, aborts.handle),
                (CLEANUP_CONSUMER, clean_ups.handle),
                (EVIDENCE_CONSUMER, evidence.handle),
            ):
                inbox = service.inbox(consumer, in_hand_max=config.in_hand_max)
                inboxes.create_task(inbox.run(handler, service.stopping))
            service.health.complete()
        handed_over.set()
        await deleting


if __name__ == "__main__":
    main(Publisher.ABORTER, AborterConfig, run)
