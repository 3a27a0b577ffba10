"""A bus for each test: a real nats-server with a store of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.buses import TestBus, running_bus


@pytest.fixture
async def on(tmp_path: Path) -> AsyncIterator[TestBus]:
    async with running_bus(tmp_path) as bus:
        yield bus
