"""The whole system for tests: five services as processes, a bus, a cluster; and runs on it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from runbus.cli.stack.service import SERVICES
from runbus.cli.stack.stack import Stack
from runbus.contracts.replies import SubmitReply
from runbus.contracts.states import RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.transitions import Publisher
from runbus.sdk.client import Client, connect

PROJECT = "nlp"
OVER_TIMEOUT_S = 40.0
READY_S = 60.0
# Quick where a kubelet takes its time.
CLUSTER_OPTIONS = (
    "--pull-backoff-initial-s=1",
    "--bookmark-interval-s=1",
    "--config-retry-s=1",
)


class System(Struct):
    """A running system, a client of it, and its API server with what its certificate is held to."""

    stack: Stack
    client: Client
    kube_url: str
    http: aiohttp.ClientSession
    trust: ssl.SSLContext | bool = True

    async def submit(self, name: str, *, key: str | None = None, **settings: Any) -> str:
        """Submit a job and return its run id; it must be accepted."""
        reply = await self.reply(name, key=key, **settings)
        assert reply.accepted, reply.violations
        return reply.run_id

    async def reply(self, name: str, *, key: str | None = None, **settings: Any) -> SubmitReply:
        """Submit a job and return the verdict."""
        return await self.client.submit(a_job(name, **settings), key=key)

    async def over(self, run_id: str, project: str = PROJECT) -> RunStatus:
        """Return the final status of a run, once it has one."""
        return await self.client.wait(project, run_id, timeout_s=OVER_TIMEOUT_S)

    async def until(self, run_id: str, *states: RunState, attempt: int = 0) -> RunStatus:
        """Return the status with which a run enters one of some states."""
        async with asyncio.timeout(OVER_TIMEOUT_S), self.client.events(PROJECT, run_id) as events:
            async for event in events:
                if event.status.state in states and event.status.attempt >= attempt:
                    return event.status
        message = f"run {run_id} was never in {states}"
        raise AssertionError(message)

    @asynccontextmanager
    async def killed(self, name: str, *, ready_s: float = READY_S) -> AsyncIterator[None]:
        """Kill a service; start it again after the block, and wait until it is ready."""
        process = self.stack.services[name]
        process.kill()
        await process.wait()
        try:
            yield
        finally:
            await process.start()
            await process.wait_ready(ready_s)

    async def kube(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Ask the API server itself."""
        data = msgspec.json.encode(body) if body is not None else None
        headers = {"Content-Type": "application/json"}
        async with self.http.request(
            method, self.kube_url + path, data=data, headers=headers
        ) as answer:
            content = await answer.read()
            return answer.status, msgspec.json.decode(content) if content else None

    async def pods_of(self, run_id: str) -> list[dict[str, Any]]:
        """Return the pods of a run that are in the cluster."""
        selector = f"runbus.dev/run-id={run_id}"
        _, found = await self.kube("GET", f"/api/v1/pods?labelSelector={selector}")
        items: list[dict[str, Any]] = found["items"]
        return items

    async def pods_gone(self, run_id: str) -> None:
        """Wait until a run has no pod in the cluster."""
        async with asyncio.timeout(OVER_TIMEOUT_S):
            while await self.pods_of(run_id):
                await asyncio.sleep(0.05)

    async def fault(self, **fault: Any) -> None:
        """Arm a fault of the local cluster's API."""
        status, answer = await self.kube("POST", "/localcluster/v1/faults", fault)
        assert status < 300, answer

    async def no_faults(self) -> None:
        """Disarm all faults."""
        await self.kube("DELETE", "/localcluster/v1/faults")


async def scraped(system: System, service: Publisher) -> dict[str, Metric]:
    """Return the metrics of a service as they are now, by name."""
    url = f"{system.stack.services[service.value].health_url}/metrics"
    async with system.http.get(url) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        text = await answer.text()
    return {family.name: family for family in text_string_to_metric_families(text)}


def a_job(name: str, **settings: Any) -> dict[str, Any]:
    """Return the document of a job: it sleeps for no time, unless told otherwise."""
    document = {
        "project": PROJECT,
        "name": name,
        "kind": "job",
        "image": "registry.example.com/x:1",
        "command": ["sh", "-c", "echo hello; exit 0"],
    }
    return {key: value for key, value in (document | settings).items() if value is not None}


def sleeping(seconds: float) -> list[str]:
    """Return a container command that sleeps."""
    return ["sleep", str(seconds)]


@asynccontextmanager
async def running_system(
    folder: Path,
    *,
    defaults: str = "",
    cluster: Sequence[str] = (),
    services: Sequence[str] = SERVICES,
    sync_always: bool = False,
    bus_servers: int = 1,
    kubeconfig: str | None = None,
    **environment: str,
) -> AsyncIterator[System]:
    """Run the whole system for the length of a block.

    Args:
        folder: for everything.
        defaults: the text of a defaults file.
        cluster: more options of the local cluster.
        services: which of them.
        sync_always: the bus answers for a message only once it is on the disk.
        bus_servers: of how many servers the bus is.
        kubeconfig: of another cluster, instead of a local one.
        environment: more settings of the services.

    """
    path = folder / "defaults.yaml"
    await asyncio.to_thread(path.write_text, defaults or "limits: {concurrent_runs: 500}\n")
    stack = Stack(
        folder,
        defaults=path,
        localcluster_options=[*CLUSTER_OPTIONS, *cluster],
        environment=environment,
        services=services,
        sync_always=sync_always,
        bus_servers=bus_servers,
        kubeconfig=kubeconfig,
    )
    async with stack, connect(stack.nats_url, name="test") as client:
        server, headers, trust = await asyncio.to_thread(_credentials, stack.kubeconfig)
        connector = aiohttp.TCPConnector(ssl=trust)
        async with aiohttp.ClientSession(headers=headers, connector=connector) as http:
            yield System(stack, client, server, http, trust)


def _credentials(kubeconfig: str) -> tuple[str, dict[str, str], ssl.SSLContext | bool]:
    found = msgspec.yaml.decode(Path(kubeconfig).read_bytes())
    user, cluster = found["users"][0]["user"], found["clusters"][0]["cluster"]
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    authority = cluster.get("certificate-authority")
    trust = ssl.create_default_context(cafile=authority) if authority else True
    return str(cluster["server"]).rstrip("/"), headers, trust
