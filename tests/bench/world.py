"""What a benchmark runs on: a bus, a cluster, some services.

The stand-in costs a tenth of a real API server and runs nothing; the local cluster runs a process
for each container on the same cores; the control plane is Kubernetes' own API server and etcd, with
nobody who schedules or runs pods. Whichever is used stands in the conditions.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, assert_never

import aiohttp
import msgspec
from msgspec import Struct

from bench.figures import NotHereError
from bench.processes import CpuMeter, cpu_s
from bench.standin.pods import Step
from runbus.cli.stack.owner import Owner
from runbus.cli.stack.process import Process
from runbus.cli.stack.service import SERVICES, ServiceProcess
from runbus.cli.stack.stack import Stack
from runbus.sdk.client import Client, connect
from support.control_plane.plane import ControlPlane, NotBuiltError, binaries

TESTS = Path(__file__).resolve().parents[1]
READY_TIMEOUT_S = 90.0
GRACE_S = 5.0
POLL_S = 0.01
REST_POLL_S = 0.25


class ClusterKind(StrEnum):
    """Which cluster."""

    STAND_IN = "stand-in"
    LOCAL = "local cluster"
    CONTROL_PLANE = "control plane"


ABOUT = {
    ClusterKind.STAND_IN: (
        "a stand-in for the API server: answers at once, runs and stores nothing, pods of 4.5 KB"
    ),
    ClusterKind.LOCAL: "the local cluster: a process for each container, on the same cores",
    ClusterKind.CONTROL_PLANE: (
        "kube-apiserver and etcd (no fsync) over TLS; no nodes, scheduler, controllers: pods stay"
        " Pending"
    ),
}
ALL = SERVICES


class StandIn(Process):
    """`python -m bench.standin`."""

    def __init__(self, folder: Path, owner: Owner, *options: str) -> None:
        self.kubeconfig = folder / "kubeconfig"
        command = [sys.executable, "-m", "bench.standin", "--dir", str(folder), *options]
        inherited = os.environ.get("PYTHONPATH")
        path = os.pathsep.join([str(TESTS), *([inherited] if inherited else [])])
        super().__init__(
            "stand-in",
            command,
            owner=owner,
            log=folder.with_suffix(".log"),
            environment={"PYTHONPATH": path},
        )

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until it serves."""
        async with asyncio.timeout(timeout_s):
            while not self.kubeconfig.exists():
                if not self.is_running:
                    raise self.failure("ended")
                await asyncio.sleep(POLL_S)


@asynccontextmanager
async def running_standin(folder: Path, *options: str) -> AsyncIterator[StandIn]:
    """Run a stand-in for the length of a block."""
    owner = await Owner.start()
    standin = StandIn(folder, owner, *options)
    try:
        await standin.start()
        await standin.wait_ready(READY_TIMEOUT_S)
        yield standin
    finally:
        await standin.stop(GRACE_S)
        await owner.finish()


class World(Struct):
    """A running system. `cluster_pids` are those of the API server, and of its store if apart."""

    kind: ClusterKind
    stack: Stack
    client: Client
    http: aiohttp.ClientSession
    kube_url: str
    cluster_pids: Mapping[str, int]

    def meter(self) -> CpuMeter:
        """Measure the CPU of every process from here on, the benchmark's own included."""
        services = {each.name: each.pid for each in self.stack.services.values()}
        bus = {each.name: each.pid for each in self.stack.bus}
        others = {**bus, "benchmark": os.getpid()}
        pids = {**services, **self.cluster_pids, **others}
        return CpuMeter(pids, trees={ClusterKind.LOCAL.value})

    async def start(
        self, name: str, more: Mapping[str, str] | None = None
    ) -> tuple[ServiceProcess, float]:
        """Start a service, with more settings; returns it and the seconds until it was ready."""
        process = self.stack.services[name] = self.stack.service(name, more=more)
        started = time.monotonic()
        await process.start()
        await process.wait_ready(READY_TIMEOUT_S)
        return process, time.monotonic() - started

    async def control(self, path: str, body: object = None) -> Any:
        """Ask the stand-in for something that no API server has."""
        assert self.kind is ClusterKind.STAND_IN, f"the {self.kind.value} has no {path}"
        data = msgspec.json.encode(body) if body is not None else None
        method = "POST" if body is not None else "GET"
        async with self.http.request(method, self.kube_url + path, data=data) as answer:
            assert answer.status == 200, await answer.text()
            return msgspec.json.decode(await answer.read())

    async def moments(self) -> dict[str, dict[str, float]]:
        """Return when what happened to the pods of each run, by run id."""
        found: dict[str, dict[str, float]] = await self.control("/bench/moments")
        return found

    async def change(
        self, prefix: str, *, first: int, count: int, step: Step, per_second: float
    ) -> None:
        """Have something happen to seeded pods, so many a second."""
        body = {"prefix": prefix, "first": first, "count": count}
        await self.control("/bench/change", {**body, "step": step, "per_second": per_second})


@asynccontextmanager
async def running_world(
    folder: Path,
    kind: ClusterKind = ClusterKind.STAND_IN,
    *,
    services: Sequence[str] = ALL,
    options: Sequence[str] = (),
    defaults: str = "",
    environment: Mapping[str, str] | None = None,
    bus_servers: int = 1,
) -> AsyncIterator[World]:
    """Run a system for the length of a block.

    Args:
        folder: for everything.
        kind: which cluster.
        services: which services are there from the start.
        options: of the local cluster.
        defaults: the text of a defaults file.
        environment: more settings of the services.
        bus_servers: of how many servers the bus is.

    """
    path = folder / "defaults.yaml"
    await asyncio.to_thread(path.write_text, defaults or "allowed_priority_classes: [high]\n")
    async with _cluster(folder, kind) as (kubeconfig, pids):
        stack = Stack(
            folder,
            defaults=path,
            services=services,
            localcluster_options=options,
            kubeconfig=kubeconfig,
            environment=environment,
            bus_servers=bus_servers,
        )
        async with stack, connect(stack.nats_url, name="bench") as client:
            if stack.cluster is not None:
                pids = {kind.value: stack.cluster.pid}
            access = await asyncio.to_thread(_access, Path(stack.kubeconfig))
            async with access.session() as http:
                yield World(kind, stack, client, http, access.url, pids)


@asynccontextmanager
async def _cluster(
    folder: Path, kind: ClusterKind
) -> AsyncIterator[tuple[str | None, Mapping[str, int]]]:
    """Run a cluster that the stack does not bring: its kubeconfig, and its processes by name."""
    match kind:
        case ClusterKind.LOCAL:
            yield None, {}
        case ClusterKind.STAND_IN:
            async with running_standin(folder / "standin") as standin:
                yield str(standin.kubeconfig), {kind.value: standin.pid}
        case ClusterKind.CONTROL_PLANE:
            async with running_control_plane(folder / "kube") as plane:
                yield str(plane.kubeconfig()), plane.pids
        case _:
            assert_never(kind)


@asynccontextmanager
async def running_control_plane(folder: Path) -> AsyncIterator[ControlPlane]:
    """Run an API server and its etcd for the length of a block.

    Raises:
        NotHereError: nobody has built them.

    """
    try:
        found = await asyncio.to_thread(binaries)
    except NotBuiltError as error:
        raise NotHereError(str(error)) from error
    plane = await asyncio.to_thread(ControlPlane, folder, found, scheduler=False, controllers=False)
    try:
        await asyncio.to_thread(plane.start)
        yield plane
    finally:
        await asyncio.to_thread(plane.stop)


class _Access(Struct, frozen=True):
    """How to get to an API server with a kubeconfig."""

    url: str
    headers: Mapping[str, str]
    tls: ssl.SSLContext | None

    def session(self) -> aiohttp.ClientSession:
        """Return a session of as many connections as are asked for."""
        connector = aiohttp.TCPConnector(ssl=self.tls or True, limit=0)
        return aiohttp.ClientSession(headers=self.headers, connector=connector, read_bufsize=2**20)


def _access(path: Path) -> _Access:
    found = msgspec.yaml.decode(path.read_bytes())
    user, cluster = found["users"][0]["user"], found["clusters"][0]["cluster"]
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    authority = cluster.get("certificate-authority")
    tls = ssl.create_default_context(cafile=authority) if authority is not None else None
    return _Access(str(cluster["server"]).rstrip("/"), headers, tls)


async def until_at_rest(pids: Mapping[str, int], *, quiet_s: float = 1.0) -> None:
    """Wait until some processes use (almost) no CPU any more."""
    quiet_since = time.monotonic()
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    while time.monotonic() - quiet_since < quiet_s:
        await asyncio.sleep(REST_POLL_S)
        now = {name: cpu_s(pid) for name, pid in pids.items()}
        if any(now[name] - before[name] > REST_POLL_S * 0.1 for name in pids):
            quiet_since = time.monotonic()
        before = now
