"""A real control plane with a node, and runbus on it: one system for all tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
import pytest_asyncio

from support.control_plane import accounts
from support.control_plane.accounts import VARIANTS, Variant
from support.control_plane.kubelet import Kubelet
from support.control_plane.plane import ControlPlane
from support.histories import histories, violations
from support.system import PROJECT, System, running_system

_NUMBERS = count(1)
QUICK_NODE = {
    "cpu": "8",
    "memory": "16Gi",
    "pull_backoff_initial_s": 1,
    "config_retry_s": 1,
    "heartbeat_s": 2,
}


@pytest.fixture(scope="module")
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    name = f"module-{next(_NUMBERS)}"
    control_plane.create_namespace(name)
    yield name
    control_plane.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def kubelet(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubelet]:
    """The local cluster's runner as the kubelet of the node `worker`."""
    folder = tmp_path_factory.mktemp("node") / "kubelet"
    with Kubelet(control_plane, folder, node_name="worker", **QUICK_NODE) as kubelet:
        yield kubelet
    control_plane.request("DELETE", "/api/v1/nodes/worker")


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
