"""The command line as users run it: processes, against a real bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.buses import TestBus, running_bus
from support.commands import Command


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[TestBus]:
    async with running_bus(tmp_path) as running:
        yield running


@pytest.fixture
def command(bus: TestBus, tmp_path: Path) -> Command:
    """Return a way to run `runbus ...` against the bus."""
    return Command({"RUNBUS_NATS_URL": bus.nats.url, "RUNBUS_STATE_DIR": str(tmp_path / "state")})
