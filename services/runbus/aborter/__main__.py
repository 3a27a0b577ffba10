"""Wiring of the aborter: three inboxes, the deleter behind them, and the keeper of evidence."""

from __future__ import annotations

import asyncio

from runbus.aborter.cleaning import CleanUpHandler, EvidenceHandler
from runbus.aborter.cluster import Cluster
from runbus.aborter.config import AborterConfig
from runbus.aborter.deleting import Deleter
from runbus.aborter.handler import AbortHandler
from runbus.aborter.keeping import CONNECTIONS_MAX, EvidenceKeeper
from runbus.contracts.streams import ABORT_CONSUMER, CLEANUP_CONSUMER, EVIDENCE_CONSUMER
from runbus.contracts.transitions import Publisher
from runbus.runtime.service import Service, main


async def run(service: Service[AborterConfig]) -> None:
    """Carry out aborts and clean-ups until told to stop."""
    async with service.kubernetes(service.config) as connection:
        await _abort(service, Cluster(connection), Cluster(connection, CONNECTIONS_MAX))


async def _abort(
    service: Service[AborterConfig], cluster: Cluster, evidence_cluster: Cluster
) -> None:
    config, run_log, clock, log = service.config, service.run_log, service.clock, service.log
    keeper = EvidenceKeeper(evidence_cluster, service.bus, clock, log, config, service.tracing)
    deleter = Deleter(cluster, run_log, keeper, clock, log, service.tracing)
    aborts = AbortHandler(run_log, clock, log, deleter.hand_over)
    clean_ups = CleanUpHandler(run_log, cluster, deleter, clock, log, config)
    evidence = EvidenceHandler(run_log, keeper, clock)
    handed_over = asyncio.Event()  # set once no inbox can hand anything over any more
    deleted = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(keeper.run(service.stopping, deleted))
        deleting = tasks.create_task(deleter.run(handed_over))
        async with asyncio.TaskGroup() as inboxes:
            for consumer, handler, in_hand_max in (
                (ABORT_CONSUMER, aborts.handle, config.in_hand_max),
                (CLEANUP_CONSUMER, clean_ups.handle, config.in_hand_max),
                (EVIDENCE_CONSUMER, evidence.handle, min(config.in_hand_max, CONNECTIONS_MAX)),
            ):
                inbox = service.inbox(consumer, in_hand_max=in_hand_max)
                inboxes.create_task(inbox.run(handler, service.stopping))
            service.health.complete()
        handed_over.set()
        await deleting
        deleted.set()


if __name__ == "__main__":
    main(Publisher.ABORTER, AborterConfig, run)
