"""One system to break for all tests of a module: it takes seconds to start."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.chaos import LOCAL_CLUSTER, Chaos, chaos_on_kubernetes, running_chaos


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chaos(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Chaos]:
    """On the local cluster; where a module asks for it by parameter, on a real one as well."""
    folder = tmp_path_factory.mktemp("chaos")
    if getattr(request, "param", LOCAL_CLUSTER) == LOCAL_CLUSTER:
        async with running_chaos(folder) as chaos:
            yield chaos
        return
    request.getfixturevalue("kubelet")
    plane, namespace = (request.getfixturevalue(each) for each in ("control_plane", "namespace"))
    async with chaos_on_kubernetes(folder, plane, namespace) as chaos:
        yield chaos
