"""The course of an examination: one section after the other, each under a time limit."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack

from msgspec import Struct

from runbus.cli.connection import choose_kubeconfig, connected
from runbus.cli.doctor.bus import check_bus
from runbus.cli.doctor.cluster import check_cluster
from runbus.cli.doctor.defaults import check_defaults
from runbus.cli.doctor.findings import Finding, Section, problem, unreachable, warning
from runbus.cli.doctor.provisioned import check_provisioned
from runbus.cli.doctor.rights import Accounts, check_rights
from runbus.cli.doctor.runs import check_runs
from runbus.cli.doctor.services import check_services
from runbus.cli.kube_access import KubeAccess, KubeConfigError, KubeUnreachableError
from runbus.cli.problems import CliError
from runbus.sdk.client import Client
from runbus.sdk.errors import BusRefusedError, BusTimeoutError, BusUnreachableError

SECTION_TIMEOUT_S = 15.0
RUNS_TIMEOUT_S = 30.0
KUBE_CONFIG_TIMEOUT_S = 15.0
_OF_BUS = (
    (Section.BUS, check_bus),
    (Section.STREAMS, check_provisioned),
    (Section.SERVICES, check_services),
    (Section.DEFAULTS, check_defaults),
)


class Examination(Struct, frozen=True, kw_only=True):
    """What is looked at, and from where."""

    nats_url: str | None = None
    kubeconfig: str | None = None
    namespaces: tuple[str, ...] = ()
    accounts: Accounts | None = None
    with_cluster: bool = True

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield what is found, section by section."""
        async with AsyncExitStack() as stack:
            client, told = await _client(stack, self.nats_url)
            for finding in told:
                yield finding
            kube: KubeAccess | None = None
            if self.with_cluster:
                kube, of_cluster = await _kube(stack, self.kubeconfig)
            else:
                of_cluster = []
            if client is not None:
                for section, check in _OF_BUS:
                    for finding in await limited(section, check(client.bus), SECTION_TIMEOUT_S):
                        yield finding
            for finding in [*of_cluster, *await self._cluster(kube)]:
                if finding.is_unreachable:
                    kube = None
                yield finding
            if client is not None:
                runs = check_runs(client, kube)
                for finding in await limited(Section.RUNS, runs, RUNS_TIMEOUT_S):
                    yield finding

    async def _cluster(self, kube: KubeAccess | None) -> list[Finding]:
        if kube is None:
            return []
        found = await limited(Section.CLUSTER, check_cluster(kube), SECTION_TIMEOUT_S)
        if any(each.is_unreachable for each in found):
            return found
        rights = check_rights(kube, self.namespaces, self.accounts)
        return [*found, *await limited(Section.RIGHTS, rights, SECTION_TIMEOUT_S)]


async def limited(
    section: Section, check: Awaitable[list[Finding]], timeout_s: float
) -> list[Finding]:
    """Return what a check finds; one that fails or takes too long is a finding itself."""
    try:
        async with asyncio.timeout(timeout_s):
            return await check
    except TimeoutError:
        return [unreachable(section, f"not looked at whole: it took more than {timeout_s:g} s")]
    except (BusTimeoutError, BusUnreachableError) as error:
        return [unreachable(section, f"the bus does not answer: {error}")]
    except BusRefusedError as error:
        way_out = "use credentials that may ask JetStream's API"
        return [problem(section, f"the bus refuses to tell: {error}", way_out)]
    except KubeUnreachableError as error:
        return [unreachable(section, str(error), "check the kubeconfig, or give --kubeconfig")]


async def _client(
    stack: AsyncExitStack, nats_url: str | None
) -> tuple[Client | None, list[Finding]]:
    try:
        return await stack.enter_async_context(connected(nats_url)), []
    except CliError as error:
        text = ": ".join(part for part in (error.what, error.why) if part)
        others = "streams, services and runs were not looked at"
        return None, [unreachable(Section.BUS, text, error.way_out), warning(Section.BUS, others)]


async def _kube(
    stack: AsyncExitStack, kubeconfig: str | None
) -> tuple[KubeAccess | None, list[Finding]]:
    try:
        # With exec plug-ins and clouds a configuration can take its time.
        from runbus.cli import kube_access

        async with asyncio.timeout(KUBE_CONFIG_TIMEOUT_S):
            chosen = choose_kubeconfig(kubeconfig, os.environ)
            return await stack.enter_async_context(kube_access.connect(chosen)), []
    except TimeoutError:
        text = f"the kubeconfig gave no credentials within {KUBE_CONFIG_TIMEOUT_S:g} s"
        return None, [unreachable(Section.CLUSTER, text, "try `kubectl version` with it")]
    except KubeConfigError as error:
        return None, [unreachable(Section.CLUSTER, str(error), "give --kubeconfig PATH")]
    except ImportError:
        text = "not looked at: installed without what talks to Kubernetes"
        return None, [warning(Section.CLUSTER, text, "pip install 'runbus[services]'")]
