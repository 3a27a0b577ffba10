"""The API servers that the suite runs on: the local cluster over HTTP, and the simulation's.

A case is a coroutine that gets a `ClusterWorld`. Nothing but the API server runs: no scheduler, no
kubelet. On the simulated cluster the clock jumps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any, Protocol

import msgspec

from runbus.localcluster.rules.resources import PODS, Target
from runbus.runtime.config import KubeConfig
from runbus.runtime.kube import Kube, connect
from simulation.cluster.server import SimCluster
from simulation.cluster.session import Session, kube_of
from simulation.loop import VirtualLoop, run_virtually
from support.cluster import LocalClusterProcess

JsonObject = dict[str, Any]
NAMESPACE = "nlp"
PODS_PATH = f"/api/v1/namespaces/{NAMESPACE}/pods"
MERGE_PATCH = "application/merge-patch+json"


class ClusterWorld(Protocol):
    """An API server, the services' own connection to it, and what others do to pods."""

    kube: Kube

    async def set_status(self, name: str, status: JsonObject) -> None:
        """Write a pod's status as a kubelet does: merged into what is there."""
        ...

    async def bind(self, name: str) -> None:
        """Put a pod on a node, as a scheduler does."""
        ...

    async def forget_history(self) -> None:
        """Drop what watches could go back to."""
        ...


Case = Callable[[ClusterWorld], Coroutine[Any, Any, None]]
Run = Callable[[Case], None]


class LocalCluster:
    """The local cluster as a process."""

    def __init__(self, process: LocalClusterProcess, kube: Kube) -> None:
        self._process = process
        self.kube = kube

    async def set_status(self, name: str, status: JsonObject) -> None:
        path = f"{PODS_PATH}/{name}/status"
        code, answer = await self._process.request("PATCH", path, {"status": status}, MERGE_PATCH)
        assert code == 200, answer

    async def bind(self, name: str) -> None:
        body = {"target": {"kind": "Node", "name": "node-1"}}
        code, answer = await self._process.request("POST", f"{PODS_PATH}/{name}/binding", body)
        assert code == 201, answer

    async def forget_history(self) -> None:
        code, _ = await self._process.request("POST", "/localcluster/v1/faults/forget-history")
        assert code == 200


class SimulatedCluster:
    """The simulation's cluster."""

    def __init__(self, cluster: SimCluster) -> None:
        self._cluster = cluster
        self.kube = kube_of(Session(cluster, "test"))

    async def set_status(self, name: str, status: JsonObject) -> None:
        store = self._cluster.store
        found = store.get(PODS, NAMESPACE, name)
        merged = {**found.obj["status"], **status}
        store.replace(PODS, found, {**found.obj, "status": merged})

    async def bind(self, name: str) -> None:
        body = {"target": {"name": "node-1"}}
        self._cluster.operations.bind(Target(PODS, NAMESPACE, name, "binding"), body)

    async def forget_history(self) -> None:
        self._cluster.forget_history()


def on_local_cluster(folder: Path) -> Run:
    """Return what runs a case on a local cluster of its own."""

    def run(case: Case) -> None:
        async def main() -> None:
            process = LocalClusterProcess(
                folder / "cluster", scheduler=False, runner=False, bookmark_interval_s=0.2
            )
            async with process:
                kube = await connect(KubeConfig(kubeconfig=str(process.kubeconfig)))
                try:
                    await case(LocalCluster(process, kube))
                finally:
                    await kube.close()

        asyncio.run(main())

    return run


def on_simulated_cluster(_folder: Path) -> Run:
    """Return what runs a case on a simulated cluster."""

    def run(case: Case) -> None:
        async def main(loop: VirtualLoop) -> None:
            await case(SimulatedCluster(SimCluster(loop, Random(7))))
            assert not loop.problems, loop.problems

        run_virtually(main)

    return run


async def ask(kube: Kube, method: str, path: str, body: object = None, **query: str) -> JsonObject:
    """Carry out a request; return the answer's object."""
    answer = await kube.request(method, path, body=body, query=query)
    found: JsonObject = msgspec.json.decode(answer)
    return found
