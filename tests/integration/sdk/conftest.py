"""One system for all tests of a module, and sessions on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from runbus.sdk import AsyncSession, Session
from support.system import System, running_system

DEFAULTS = """
allowed_priority_classes: [high, low]
defaults: {labels: {team: operator}}
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    folder = tmp_path_factory.mktemp("system")
    async with running_system(folder, defaults=DEFAULTS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def session(system: System) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(system.stack.nats_url, user="ada") as opened:
        yield opened


@pytest.fixture(scope="module")
def blocking(system: System) -> Iterator[Session]:
    opened = Session(system.stack.nats_url, user="ada")
    yield opened
    opened.close()
