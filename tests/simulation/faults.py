"""Carries out the faults of a scenario, and mends everything at its end.

`outages` are the times within which no promise about time is judged: from each fault's beginning
until some seconds after its end, in which what was lost is asked for again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from runbus.localcluster.rules.resources import NODES as NODES_RESOURCE
from runbus.localcluster.rules.resources import Target
from runbus.localcluster.rules.timestamps import to_time
from runbus.reading.history import Outage
from simulation.bus.server import BusFaults, SimServer
from simulation.cluster.kubelet import Kubelets
from simulation.cluster.server import KubeFaults, SimCluster
from simulation.loop import VirtualLoop
from simulation.scenario import SPOT_NODES, Fault
from simulation.services import SimService
from simulation.story import Story

# Redelivery, lists, leases, reminders: within so long after a fault everything is asked for again.
RECOVERY_S = 12.0


class Faults:
    """Makes things go wrong, one task for each fault."""

    def __init__(
        self,
        loop: VirtualLoop,
        server: SimServer,
        cluster: SimCluster,
        kubelets: Kubelets,
        services: Mapping[str, list[SimService]],
        story: Story,
    ) -> None:
        self._loop = loop
        self._server = server
        self._cluster = cluster
        self._kubelets = kubelets
        self._services = services
        self._story = story
        self.outages: list[Outage] = []

    async def carry_out(self, faults: tuple[Fault, ...], began_s: float) -> None:
        """Carry out all faults at their times; returns when all are over."""
        async with asyncio.TaskGroup() as tasks:
            for fault in faults:
                tasks.create_task(self._one(fault, began_s + fault.at_s))

    async def _one(self, fault: Fault, at_s: float) -> None:
        await asyncio.sleep(at_s - self._loop.time())
        self._story.tell("", f"FAULT {fault.told()}")
        begins = self._loop.wall()
        await self._happen(fault)
        ends = self._loop.wall() + timedelta(seconds=RECOVERY_S)
        self.outages.append(Outage(begins, ends))
        if fault.for_s:
            self._story.tell("", f"END OF {fault.told()}")

    async def _happen(self, fault: Fault) -> None:
        area = fault.kind.partition("_")[0]
        match area:
            case "bus":
                await self._bus(fault)
            case "kube" | "watch":
                await self._kube(fault)
            case "node":
                await self._node(fault)
            case _:
                replicas = self._services[fault.target]
                await self._process(fault, replicas[fault.replica % len(replicas)])

    async def _process(self, fault: Fault, service: SimService) -> None:
        match fault.kind:
            case "kill":
                service.kill()
                await asyncio.sleep(fault.for_s)
                service.start()
            case "kill_at":
                await service.kill_at(int(fault.amount))
                await asyncio.sleep(fault.for_s)
                service.start()
            case "stop":
                service.stop()
                await asyncio.sleep(fault.for_s)
                service.start()
            case "freeze":
                service.freeze()
                await asyncio.sleep(fault.for_s)
                service.thaw()
            case "drop":
                if service.link is not None:
                    service.link.drop(fault.for_s)
                await asyncio.sleep(fault.for_s + 0.5)

    async def _bus(self, fault: Fault) -> None:
        server, faults = self._server, self._server.faults
        match fault.kind:
            case "bus_down":
                server.stop()
                await asyncio.sleep(fault.for_s)
                server.start()
            case "bus_lossy":
                faults.lose_request = faults.lose_answer = fault.amount * 0.5
                faults.lose_ack = fault.amount
                await asyncio.sleep(fault.for_s)
                faults.lose_request = faults.lose_answer = faults.lose_ack = 0.0
            case "bus_slow_copies":
                faults.copy_delay_s = fault.amount
                await asyncio.sleep(fault.for_s)
                faults.copy_delay_s = BusFaults().copy_delay_s
            case "bus_leader_behind":
                faults.apply_delay_s = fault.amount
                await asyncio.sleep(fault.for_s)
                faults.apply_delay_s = BusFaults().apply_delay_s
                await asyncio.sleep(fault.amount)
            case "bus_redelivers":
                server.redeliver()

    async def _kube(self, fault: Fault) -> None:
        cluster, faults = self._cluster, self._cluster.faults
        match fault.kind:
            case "kube_down":
                cluster.stop()
                await asyncio.sleep(fault.for_s)
                cluster.start()
            case "kube_refuses" | "kube_hangs" | "kube_loses" | "kube_late":
                field = {"refuses": "refuse", "hangs": "hang", "loses": "lose_answer"}.get(
                    fault.kind.removeprefix("kube_"), "delay"
                )
                setattr(faults, field, fault.amount)
                await asyncio.sleep(fault.for_s)
                setattr(faults, field, 0.0)
                if field == "delay":  # what is on its way has to arrive
                    await asyncio.sleep(faults.delay_s)
                if field == "hang":
                    await asyncio.sleep(10.0)  # until a client gives up
            case "watch_cut":
                cluster.cut_watches()
            case "watch_expired":
                cluster.forget_history()
                cluster.cut_watches()
            case "watch_slow":
                faults.watch_latency_s = fault.amount
                await asyncio.sleep(fault.for_s)
                faults.watch_latency_s = KubeFaults().watch_latency_s
                await asyncio.sleep(fault.amount)

    async def _node(self, fault: Fault) -> None:
        """Lose a node: its pods stay as they are; controllers give up on them after a while."""
        self._kubelets.lose(fault.target)
        self._set_ready(fault.target, "Unknown")
        await asyncio.sleep(1.0)
        if fault.kind == "node_removed":
            self._kubelets.collect(fault.target, "DeletionByPodGC")
            self._kubelets.bring_back(fault.target)  # another one of that name
            self._set_ready(fault.target, "True")
            return
        await asyncio.sleep(min(fault.for_s, 4.0))
        self._kubelets.evict(fault.target, "DeletionByTaintManager")
        await asyncio.sleep(max(0.0, fault.for_s - 4.0))
        self._kubelets.bring_back(fault.target)
        self._set_ready(fault.target, "True")

    def _set_ready(self, node: str, ready: str) -> None:
        store = self._cluster.store
        stored = store.find(NODES_RESOURCE, "", node)
        if stored is not None:
            store.replace(NODES_RESOURCE, stored, with_ready(stored.obj, ready, self._cluster))


def with_ready(node: dict[str, object], ready: str, cluster: SimCluster) -> dict[str, object]:
    """Return a node with its condition Ready."""
    condition = {
        "type": "Ready",
        "status": ready,
        "reason": "Simulated",
        "lastTransitionTime": to_time(cluster.now_s()),
    }
    return {**node, "status": {"conditions": [condition]}}


def add_nodes(cluster: SimCluster, names: tuple[str, ...]) -> None:
    """Put nodes that are ready into the cluster."""
    for name in names:
        labels = {"example.com/spot": "yes" if name in SPOT_NODES else "no"}
        body = {"metadata": {"name": name, "labels": labels}, "status": {}}
        cluster.operations.create(Target(NODES_RESOURCE), body)
        stored = cluster.store.get(NODES_RESOURCE, "", name)
        cluster.store.replace(NODES_RESOURCE, stored, with_ready(stored.obj, "True", cluster))
