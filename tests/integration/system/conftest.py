"""One system for all tests of a module: it takes seconds to start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from support.chaos import KUBERNETES, LOCAL_CLUSTER
from support.histories import histories, violations
from support.system import PROJECT, System, running_system

DEFAULTS = """
limits: {concurrent_runs: 500}
allowed_priority_classes: [high, low]
projects:
  small: {limits: {concurrent_runs: 1}}
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """On the local cluster; where a module asks for it by parameter, on a real one as well."""
    folder = tmp_path_factory.mktemp("system")
    defaults, options = DEFAULTS, dict[str, Any]()
    if getattr(request, "param", LOCAL_CLUSTER) == KUBERNETES:
        request.getfixturevalue("kubelet")
        namespace = request.getfixturevalue("namespace")
        defaults += f"namespaces: {{{PROJECT}: {namespace}, small: {namespace}}}\n"
        options["kubeconfig"] = str(request.getfixturevalue("control_plane").kubeconfig())
    async with running_system(
        folder, defaults=defaults, RUNBUS_UNREACHABLE_FORCE_AFTER_S="4", **options
    ) as system:
        yield system
        found = await histories(system.client.bus)
        wrong = {run_id: violations(steps) for run_id, steps in found.items()}
    assert {run_id: problems for run_id, problems in wrong.items() if problems} == {}
