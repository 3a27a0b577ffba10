"""The command line as users run it: processes, against a real bus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.buses import TestBus, running_bus
from support.commands import Command
from support.ups import Up, is_there


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[TestBus]:
    async with running_bus(tmp_path) as running:
        yield running


@pytest.fixture
def command(bus: TestBus, tmp_path: Path) -> Command:
    """Return a way to run `runbus ...` against the bus."""
    return Command({"RUNBUS_NATS_URL": bus.nats.url, "RUNBUS_STATE_DIR": str(tmp_path / "state")})


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Run a whole runbus for the tests of one module."""
    running = Up(tmp_path_factory.mktemp("up"), "--persist", str(tmp_path_factory.mktemp("kept")))
    yield running
    pids = running.pids()
    code, said = running.stop()
    assert code == 0, said
    assert not any(is_there(pid) for pid in pids)
