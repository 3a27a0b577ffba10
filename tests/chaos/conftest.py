"""One system to break for all tests of a module: it takes seconds to start."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.chaos import Chaos, running_chaos


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chaos(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chaos]:
    async with running_chaos(tmp_path_factory.mktemp("chaos")) as chaos:
        yield chaos
