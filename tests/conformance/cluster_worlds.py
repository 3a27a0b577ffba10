"""The API servers that the suite runs on: Kubernetes' own, the local cluster's, the simulation's.

A case is a coroutine that gets a `ClusterWorld`. Nothing touches its pods: they ask for a scheduler
that is nobody, and there is no kubelet. On the simulated cluster the clock jumps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Protocol, Self

import msgspec

from runbus.localcluster.rules.resources import PODS, Target
from runbus.runtime.config import KubeConfig
from runbus.runtime.kube import Kube, connect
from simulation.cluster.server import SimCluster
from simulation.cluster.session import Session, kube_of
from simulation.loop import VirtualLoop, run_virtually
from support.cluster import LocalClusterProcess
from support.control_plane.plane import ControlPlane

JsonObject = dict[str, Any]
NAMESPACE = "nlp"
MERGE_PATCH = "application/merge-patch+json"


class ClusterWorld(Protocol):
    """An API server, the services' own connection to it, and what others do to pods."""

    kube: Kube
    namespace: str
    # A watch of so long has a bookmark: Kubernetes sends one 2 s before the end that was asked for,
    # the other two in intervals of their own.
    bookmarked_watch_s: int = 4
    serves_kubelets: bool = True

    @property
    def pods(self) -> str:
        """The path of the pods of the namespace that the case has for itself."""
        return f"/api/v1/namespaces/{self.namespace}/pods"

    async def set_status(self, name: str, status: JsonObject) -> None:
        """Write a pod's status as a kubelet does: merged into what is there."""
        ...

    async def bind(self, name: str) -> None:
        """Put a pod on a node, as a scheduler does."""
        ...

    async def forget_history(self) -> None:
        """Drop what watches could go back to."""
        ...


_NUMBERS = count(1)
Case = Callable[[ClusterWorld], Coroutine[Any, Any, None]]
Run = Callable[[Case], None]


class LocalCluster(ClusterWorld):
    """The local cluster as a process; a namespace of it."""

    def __init__(self, process: LocalClusterProcess, kube: Kube, namespace: str) -> None:
        self._process = process
        self.kube = kube
        self.namespace = namespace

    async def set_status(self, name: str, status: JsonObject) -> None:
        path = f"{self.pods}/{name}/status"
        code, answer = await self._process.request("PATCH", path, {"status": status}, MERGE_PATCH)
        assert code == 200, answer

    async def bind(self, name: str) -> None:
        await ask(self.kube, "POST", f"{self.pods}/{name}/binding", a_binding(name))

    async def forget_history(self) -> None:
        code, _ = await self._process.request("POST", "/localcluster/v1/faults/forget-history")
        assert code == 200


class RealCluster(ClusterWorld):
    """A real control plane; a namespace of it."""

    def __init__(self, plane: ControlPlane, kube: Kube, namespace: str) -> None:
        self._plane = plane
        self.kube = kube
        self.namespace = namespace

    async def set_status(self, name: str, status: JsonObject) -> None:
        path = f"{self.pods}/{name}/status"
        code, answer = await asyncio.to_thread(
            self._plane.request, "PATCH", path, {"status": status}, MERGE_PATCH
        )
        assert code == 200, answer

    async def bind(self, name: str) -> None:
        # Controllers delete the pods of a node that has not been there for 40 s: no other's.
        binding = a_binding(name, f"not-there-{self.namespace}")
        await ask(self.kube, "POST", f"{self.pods}/{name}/binding", binding)

    async def forget_history(self) -> None:
        await asyncio.to_thread(self._plane.compact)
        await asyncio.to_thread(self._plane.restart_api_server)


class SimulatedCluster(ClusterWorld):
    """The simulation's cluster."""

    bookmarked_watch_s = 60
    serves_kubelets = False

    def __init__(self, cluster: SimCluster) -> None:
        self._cluster = cluster
        self.kube = kube_of(Session(cluster, "test"))
        self.namespace = NAMESPACE

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


def a_binding(name: str, node: str = "node-1") -> JsonObject:
    """Return what a scheduler says of a pod."""
    target = {"kind": "Node", "name": node}
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name},
        "target": target,
    }


def on_real_cluster(plane: ControlPlane) -> Run:
    """Return what runs a case in a namespace of its own on a real control plane."""

    def run(case: Case) -> None:
        async def main() -> None:
            namespace = f"case-{next(_NUMBERS)}"
            await asyncio.to_thread(plane.create_namespace, namespace)
            kube = await connect(KubeConfig(kubeconfig=str(plane.kubeconfig())))
            try:
                await case(RealCluster(plane, kube, namespace))
            finally:
                await kube.close()
                plane.request("DELETE", f"/api/v1/namespaces/{namespace}")

        asyncio.run(main())

    return run


class LocalProcess:
    """A local cluster that stays up; `on_local_cluster` runs cases on it."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.process = LocalClusterProcess(
            folder / "cluster", scheduler=False, runner=False, bookmark_interval_s=0.2
        )

    def __enter__(self) -> Self:
        self.runner.run(self.process.start())
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.run(self.process.stop())
        self.runner.close()


def on_local_cluster(local: LocalProcess) -> Run:
    """Return what runs a case in a namespace of its own on a local cluster."""

    def run(case: Case) -> None:
        async def main() -> None:
            process = local.process
            kube = await connect(KubeConfig(kubeconfig=str(process.kubeconfig)))
            try:
                await case(LocalCluster(process, kube, f"case-{next(_NUMBERS)}"))
            finally:
                await kube.close()

        local.runner.run(main())

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
