"""A real control plane with a node, and runbus on it: one system for all tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.control_plane.kubelet import Kubelet
from support.control_plane.plane import ControlPlane
from support.histories import histories, violations
from support.system import PROJECT, System, running_system


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
