"""One system for all tests of a module: it takes seconds to start."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.histories import histories, violations
from support.system import System, running_system

DEFAULTS = """
limits: {concurrent_runs: 500}
allowed_priority_classes: [high, low]
projects:
  small: {limits: {concurrent_runs: 1}}
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    folder = tmp_path_factory.mktemp("system")
    async with running_system(
        folder, defaults=DEFAULTS, RUNBUS_UNREACHABLE_FORCE_AFTER_S="4"
    ) as system:
        yield system
        found = await histories(system.client.bus)
        wrong = {run_id: violations(steps) for run_id, steps in found.items()}
    assert {run_id: problems for run_id, problems in wrong.items() if problems} == {}
