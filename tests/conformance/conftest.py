"""What each suite runs on: the real thing, and what stands in for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance import bus_worlds, cluster_worlds
from conformance.side_by_side import BothServers
from support.control_plane.plane import ControlPlane


@pytest.fixture(
    params=[bus_worlds.on_real_bus, bus_worlds.on_simulated_bus], ids=["real", "simulated"]
)
def on_bus(request: pytest.FixtureRequest, tmp_path: Path) -> bus_worlds.Run:
    found: bus_worlds.Run = request.param(tmp_path)
    return found


@pytest.fixture(scope="session")
def local_process(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[cluster_worlds.LocalProcess]:
    """A local cluster, the same for all tests of a process."""
    with cluster_worlds.LocalProcess(tmp_path_factory.mktemp("local")) as process:
        yield process


@pytest.fixture(params=["real", "local", "simulated"])
def on_cluster(request: pytest.FixtureRequest, tmp_path: Path) -> cluster_worlds.Run:
    match request.param:
        case "real":
            return cluster_worlds.on_real_cluster(request.getfixturevalue("control_plane"))
        case "local":
            return cluster_worlds.on_local_cluster(request.getfixturevalue("local_process"))
        case _:
            return cluster_worlds.on_simulated_cluster(tmp_path)


@pytest.fixture(scope="session")
def both(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BothServers]:
    """A real API server and a local cluster, the same for all tests of a process."""
    with BothServers(control_plane, tmp_path_factory.mktemp("both")) as servers:
        yield servers
