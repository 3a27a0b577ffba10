"""What a benchmark runs on: a bus, a cluster (the stand-in or the local one), some services.

The stand-in costs a tenth of a real API server and runs nothing; the local cluster runs a process
for each container on the same cores. Whichever is used stands in the conditions.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from bench.processes import CpuMeter, cpu_s
from bench.standin.pods import Step
from runbus.cli.stack.owner import Owner
from runbus.cli.stack.process import Process
from runbus.cli.stack.service import SERVICES, ServiceProcess
from runbus.cli.stack.stack import Stack
from runbus.sdk.client import Client, connect

TESTS = Path(__file__).resolve().parents[1]
READY_TIMEOUT_S = 90.0
GRACE_S = 5.0
POLL_S = 0.01
REST_POLL_S = 0.25


class ClusterKind(StrEnum):
    """Which cluster."""

    STAND_IN = "stand-in"
    LOCAL = "local cluster"


ABOUT = {
    ClusterKind.STAND_IN: (
        "a stand-in for the API server: answers at once, runs and stores nothing, pods of 4.5 KB"
    ),
    ClusterKind.LOCAL: "the local cluster: a process for each container, on the same cores",
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
    """A running system. `cluster_pid` is the API server's."""

    kind: ClusterKind
    stack: Stack
    client: Client
    http: aiohttp.ClientSession
    kube_url: str
    cluster_pid: int

    def meter(self) -> CpuMeter:
        """Measure the CPU of every process from here on, the benchmark's own included."""
        services = {each.name: each.pid for each in self.stack.services.values()}
        others = {
            **{each.name: each.pid for each in self.stack.bus},
            self.kind.value: self.cluster_pid,
            "benchmark": os.getpid(),
        }
        return CpuMeter({**services, **others}, trees={ClusterKind.LOCAL.value})

    async def start(self, name: str) -> tuple[ServiceProcess, float]:
        """Start a service; returns it and the seconds until it was ready."""
        process = self.stack.services[name] = self.stack.service(name)
        started = time.monotonic()
        await process.start()
        await process.wait_ready(READY_TIMEOUT_S)
        return process, time.monotonic() - started

    async def control(self, path: str, body: object = None) -> Any:
        """Ask the stand-in for something that no API server has."""
        assert self.kind is ClusterKind.STAND_IN, f"the local cluster has no {path}"
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
    bus_servers: int = 1,
) -> AsyncIterator[World]:
    """Run a system for the length of a block.

    Args:
        folder: for everything.
        kind: which cluster.
        services: which services are there from the start.
        options: of the local cluster.
        defaults: the text of a defaults file.
        bus_servers: of how many servers the bus is.

    """
    path = folder / "defaults.yaml"
    await asyncio.to_thread(path.write_text, defaults or "allowed_priority_classes: [high]\n")
    if kind is ClusterKind.LOCAL:
        stack = Stack(
            folder,
            defaults=path,
            services=services,
            localcluster_options=options,
            bus_servers=bus_servers,
        )
        async with stack, _connected(stack, kind) as world:
            yield world
        return
    async with running_standin(folder / "standin") as standin:
        stack = Stack(
            folder,
            defaults=path,
            services=services,
            kubeconfig=str(standin.kubeconfig),
            bus_servers=bus_servers,
        )
        async with stack, _connected(stack, kind, standin) as world:
            yield world


@asynccontextmanager
async def _connected(
    stack: Stack, kind: ClusterKind, standin: StandIn | None = None
) -> AsyncIterator[World]:
    found = msgspec.yaml.decode(await asyncio.to_thread(Path(stack.kubeconfig).read_bytes))
    user = found["users"][0]["user"]
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    cluster = standin or stack.cluster
    assert cluster is not None
    async with (
        connect(stack.nats_url, name="bench") as client,
        aiohttp.ClientSession(headers=headers, read_bufsize=2**20) as http,
    ):
        url = str(found["clusters"][0]["cluster"]["server"]).rstrip("/")
        yield World(kind, stack, client, http, url, cluster.pid)


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
