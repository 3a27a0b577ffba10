"""A small whole system: every service has its own identity, on the bus and on Kubernetes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from msgspec import Struct

from runbus.cli.stack.cluster import ClusterProcess
from runbus.cli.stack.owner import Owner
from runbus.cli.stack.service import ServiceProcess
from runbus.contracts.identities import OPERATOR, Identity
from runbus.contracts.transitions import Publisher
from runbus.sdk.client import Client, connect
from runbus.sdk.credentials import credentials
from support.identities import GuardedNats, running_guarded
from support.rbac import AuthorizingProxy, Grant, authorizing_proxy
from support.system import CLUSTER_OPTIONS

READY_TIMEOUT_S = 30.0
GRACE_S = 15.0


class GuardedSystem(Struct):
    """A running system; its client is the operator."""

    nats: GuardedNats
    cluster: ClusterProcess
    services: dict[str, ServiceProcess]
    proxies: dict[str, AuthorizingProxy]
    client: Client


@asynccontextmanager
async def guarded_system(
    folder: Path,
    grants: Mapping[Publisher, Sequence[Grant]],
    *,
    allowed: Sequence[Identity] = (),
    services: Sequence[Publisher] = tuple(Publisher),
    **settings: str,
) -> AsyncIterator[GuardedSystem]:
    """Run bus, cluster and services for the length of a block.

    Args:
        folder: for everything.
        grants: of each service on Kubernetes.
        allowed: identities of the bus; default: those of an installation.
        services: which are started, and waited for until they are ready.
        settings: more of the services' environment.

    """
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(running_guarded(folder, allowed))
        owner = await Owner.start()
        stack.push_async_callback(owner.finish)
        cluster = ClusterProcess(
            folder / "cluster", owner=owner, log=folder / "cluster.log", options=CLUSTER_OPTIONS
        )
        stack.push_async_callback(cluster.stop, GRACE_S)
        await cluster.start()
        await cluster.wait_ready(READY_TIMEOUT_S)
        system = GuardedSystem(nats, cluster, {}, {}, await _operator(stack, nats))
        for publisher in services:
            proxy = await stack.enter_async_context(
                authorizing_proxy(cluster.url, grants.get(publisher, ()))
            )
            system.proxies[publisher.value] = proxy
            process = _service(publisher, system, owner, folder, settings)
            system.services[publisher.value] = process
            stack.push_async_callback(process.stop, GRACE_S)
            await process.start()
        for process in system.services.values():
            await process.wait_ready(READY_TIMEOUT_S)
        yield system


async def _operator(stack: AsyncExitStack, nats: GuardedNats) -> Client:
    known = credentials(user=OPERATOR, password_file=str(nats.password_file(OPERATOR)))
    return await stack.enter_async_context(connect(nats.url, name=OPERATOR, **known))


def _service(
    publisher: Publisher,
    system: GuardedSystem,
    owner: Owner,
    folder: Path,
    settings: Mapping[str, str],
) -> ServiceProcess:
    proxy = system.proxies[publisher.value]
    kubeconfig = proxy.kubeconfig(Path(system.cluster.kubeconfig), folder)
    environment = {
        "RUNBUS_NATS_URL": system.nats.url,
        "RUNBUS_NATS_USER": publisher.value,
        "RUNBUS_NATS_PASSWORD_FILE": str(system.nats.password_file(publisher.value)),
        "RUNBUS_KUBECONFIG": str(kubeconfig),
        **settings,
    }
    return ServiceProcess(
        publisher.value,
        folder / "health",
        owner=owner,
        log=folder / f"{publisher.value}.log",
        environment=environment,
    )
