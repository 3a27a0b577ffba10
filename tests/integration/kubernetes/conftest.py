"""A real control plane with a node, and runbus on it: one system for all tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from support.chaos import Chaos, chaos_on_kubernetes
from support.control_plane import accounts
from support.control_plane.accounts import VARIANTS, Variant
from support.control_plane.kubelet import Kubelet
from support.control_plane.plane import ControlPlane
from support.histories import histories, violations
from support.system import PROJECT, System, running_system

WATCH_SILENCE_S = "4"


@pytest.fixture(scope="module", params=list(VARIANTS.values()), ids=list(VARIANTS))
def variant(request: pytest.FixtureRequest, control_plane: ControlPlane) -> Iterator[Variant]:
    """The chart's accounts with Roles, then with ClusterRoles, applied as they lie in `deploy/`."""
    found: Variant = request.param
    control_plane.forget_judged()
    with accounts.applied(control_plane, found.path):
        yield found


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(
    control_plane: ControlPlane,
    namespace: str,
    kubelet: Kubelet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[System]:
    """The five services on the real control plane; runs get the module's namespace."""
    assert kubelet
    folder = tmp_path_factory.mktemp("system")
    defaults = f"namespaces: {{{PROJECT}: {namespace}}}\nlimits: {{concurrent_runs: 500}}\n"
    async with running_system(
        folder,
        defaults=defaults,
        kubeconfig=str(control_plane.kubeconfig()),
        RUNBUS_UNREACHABLE_FORCE_AFTER_S="4",
    ) as system:
        yield system
        found = await histories(system.client.bus)
        wrong = {run_id: violations(steps) for run_id, steps in found.items()}
    assert {run_id: problems for run_id, problems in wrong.items() if problems} == {}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chaos(
    control_plane: ControlPlane,
    namespace: str,
    kubelet: Kubelet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Chaos]:
    """The same with proxies before each service, and somebody who looks on."""
    assert kubelet
    folder = tmp_path_factory.mktemp("chaos")
    silence = {"RUNBUS_WATCH_SILENCE_S": WATCH_SILENCE_S}
    async with chaos_on_kubernetes(folder, control_plane, namespace, **silence) as chaos:
        yield chaos
