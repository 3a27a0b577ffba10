"""Wiring of the pod-launcher."""

from __future__ import annotations

from runbus.contracts.streams import LAUNCH_CONSUMER
from runbus.contracts.transitions import Publisher
from runbus.pod_launcher.config import LauncherConfig
from runbus.pod_launcher.handler import Handler
from runbus.runtime.service import Service, main


async def run(service: Service[LauncherConfig]) -> None:
    """Launch admitted runs until told to stop."""
    async with service.kubernetes(service.config) as cluster:
        handler = Handler(
            service.run_log, cluster, service.clock, service.log, service.config.namespaces
        )
        inbox = service.inbox(LAUNCH_CONSUMER, in_hand_max=service.config.in_hand_max)
        service.health.complete()
        await inbox.run(handler.handle, service.stopping)


if __name__ == "__main__":
    main(Publisher.POD_LAUNCHER, LauncherConfig, run)
