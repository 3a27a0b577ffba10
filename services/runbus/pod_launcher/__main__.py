"""Wiring of the pod-launcher."""

from __future__ import annotations

from runbus.contracts.streams import LAUNCH_CONSUMER
from runbus.contracts.transitions import Publisher
from runbus.pod_launcher.config import LauncherConfig
from runbus.pod_launcher.handler import Handler
from runbus.runtime.service import Service, main

# What of the rate is held. Well below what a create waits for its turn: half of its 10 s.
HELD_S = 2.0


async def run(service: Service[LauncherConfig]) -> None:
    """Launch admitted runs until told to stop."""
    async with service.kubernetes(service.config) as cluster:
        handler = Handler(
            service.run_log, cluster, service.clock, service.log, service.config.namespaces
        )
        inbox = service.inbox(LAUNCH_CONSUMER, in_hand_max=in_hand_max(service.config))
        service.health.complete()
        await inbox.run(handler.handle, service.stopping)


def in_hand_max(config: LauncherConfig) -> int:
    """Return how many runs to hold: no more than the rate lets through soon.

    The others wait on the bus, in order, and none is created by what it was long before.
    """
    if config.kube_qps <= 0:
        return config.in_hand_max
    return max(1, min(config.in_hand_max, int(config.kube_qps * HELD_S)))


if __name__ == "__main__":
    main(Publisher.POD_LAUNCHER, LauncherConfig, run)
