"""A small whole system: every service has its own identity, on the bus and on Kubernetes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from runbus.cli.stack.cluster import ClusterProcess
from runbus.cli.stack.owner import Owner
from runbus.cli.stack.probe import get
from runbus.cli.stack.service import ServiceProcess
from runbus.contracts.identities import OPERATOR, Identity
from runbus.contracts.states import RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.transitions import Publisher
from runbus.sdk.client import Client, connect
from runbus.sdk.credentials import credentials
from support.identities import GuardedNats, running_guarded
from support.rbac import AuthorizingProxy, Grant, authorizing_proxy
from support.system import CLUSTER_OPTIONS, PROJECT, a_job

READY_TIMEOUT_S = 30.0
GRACE_S = 15.0
OVER_S = 40.0


class GuardedServices(Struct):
    """A bus and services, each with its own identity; the client is the operator."""

    nats: GuardedNats
    services: dict[str, ServiceProcess]
    client: Client

    async def submit(self, name: str, **settings: object) -> str:
        """Submit a job and return its run id; it must be accepted."""
        reply = await self.client.submit(a_job(name, **settings))
        assert reply.accepted, reply.violations
        return reply.run_id

    async def over(self, run_id: str) -> RunStatus:
        """Return the final status of a run, once it has one."""
        return await self.client.wait(PROJECT, run_id, timeout_s=OVER_S)

    async def until(self, run_id: str, state: RunState) -> RunStatus:
        """Return the status with which a run is first seen in a state."""
        async with asyncio.timeout(OVER_S), self.client.events(PROJECT, run_id) as events:
            async for event in events:
                if event.status.state is state:
                    return event.status
        message = f"run {run_id} was never {state.value}"
        raise AssertionError(message)

    async def counted(self, service: str, counter: str, **labels: str) -> float:
        """Return the sum of a service's counter over the series with these labels."""
        _, text = await get(f"{self.services[service].health_url}/metrics")
        assert f"# TYPE {counter}_total" in text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text + "\n")
            if family.name == counter
            for sample in family.samples
            if sample.name.endswith("_total") and labels.items() <= sample.labels.items()
        )


class GuardedSystem(GuardedServices):
    """The same with a local cluster, whose rights proxies enforce."""

    cluster: ClusterProcess
    proxies: dict[str, AuthorizingProxy]


@asynccontextmanager
async def guarded_services(
    folder: Path,
    kubeconfigs: Mapping[Publisher, Path],
    *,
    allowed: Sequence[Identity] = (),
    **settings: str,
) -> AsyncIterator[GuardedServices]:
    """Run a bus and services for the length of a block, and wait until all are ready.

    Args:
        folder: for everything.
        kubeconfigs: of each service that is started: its own identity on Kubernetes.
        allowed: identities of the bus; default: those of an installation.
        settings: more of the services' environment.

    """
    async with (
        running_guarded(folder, allowed) as nats,
        services_on(nats, folder, kubeconfigs, **settings) as services,
    ):
        yield services


@asynccontextmanager
async def services_on(
    nats: GuardedNats, folder: Path, kubeconfigs: Mapping[Publisher, Path], **settings: str
) -> AsyncIterator[GuardedServices]:
    """Run services on a bus for the length of a block; as `guarded_services` does."""
    async with AsyncExitStack() as stack:
        owner = await Owner.start()
        stack.push_async_callback(owner.finish)
        services = GuardedServices(nats, {}, await _operator(stack, nats))
        for publisher, kubeconfig in kubeconfigs.items():
            environment = {
                "RUNBUS_NATS_URL": nats.url,
                "RUNBUS_NATS_USER": publisher.value,
                "RUNBUS_NATS_PASSWORD_FILE": str(nats.password_file(publisher.value)),
                "RUNBUS_KUBECONFIG": str(kubeconfig),
                **{f"RUNBUS_NATS_{key.upper()}": path for key, path in nats.trust.items()},
                **settings,
            }
            process = ServiceProcess(
                publisher.value,
                folder / "health",
                owner=owner,
                log=folder / f"{publisher.value}.log",
                environment=environment,
            )
            services.services[publisher.value] = process
            stack.push_async_callback(process.stop, GRACE_S)
            await process.start()
        for process in services.services.values():
            await process.wait_ready(READY_TIMEOUT_S)
        yield services


@asynccontextmanager
async def guarded_system(
    folder: Path,
    grants: Mapping[Publisher, Sequence[Grant]],
    *,
    allowed: Sequence[Identity] = (),
    services: Sequence[Publisher] = tuple(Publisher),
    **settings: str,
) -> AsyncIterator[GuardedSystem]:
    """Run bus, local cluster and services for the length of a block.

    Args:
        folder: for everything.
        grants: of each service on Kubernetes.
        allowed: identities of the bus; default: those of an installation.
        services: which are started.
        settings: more of the services' environment.

    """
    async with AsyncExitStack() as stack:
        owner = await Owner.start()
        stack.push_async_callback(owner.finish)
        cluster = ClusterProcess(
            folder / "cluster", owner=owner, log=folder / "cluster.log", options=CLUSTER_OPTIONS
        )
        stack.push_async_callback(cluster.stop, GRACE_S)
        await cluster.start()
        await cluster.wait_ready(READY_TIMEOUT_S)
        proxies, kubeconfigs = {}, {}
        for publisher in services:
            proxy = await stack.enter_async_context(
                authorizing_proxy(cluster.url, grants.get(publisher, ()))
            )
            proxies[publisher.value] = proxy
            kubeconfigs[publisher] = proxy.kubeconfig(Path(cluster.kubeconfig), folder)
        running = await stack.enter_async_context(
            guarded_services(folder, kubeconfigs, allowed=allowed, **settings)
        )
        yield GuardedSystem(running.nats, running.services, running.client, cluster, proxies)


async def _operator(stack: AsyncExitStack, nats: GuardedNats) -> Client:
    password_file = str(nats.password_file(OPERATOR))
    known = credentials(user=OPERATOR, password_file=password_file, **nats.trust)
    return await stack.enter_async_context(connect(nats.url, name=OPERATOR, **known))
