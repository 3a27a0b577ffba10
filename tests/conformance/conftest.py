"""What each suite runs on: the real thing, and what stands in for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance import bus_worlds, cluster_worlds


@pytest.fixture(
    params=[bus_worlds.on_real_bus, bus_worlds.on_simulated_bus], ids=["real", "simulated"]
)
def on_bus(request: pytest.FixtureRequest, tmp_path: Path) -> bus_worlds.Run:
    found: bus_worlds.Run = request.param(tmp_path)
    return found


@pytest.fixture(params=["real", "local", "simulated"])
def on_cluster(request: pytest.FixtureRequest, tmp_path: Path) -> cluster_worlds.Run:
    match request.param:
        case "real":
            return cluster_worlds.on_real_cluster(request.getfixturevalue("control_plane"))
        case "local":
            return cluster_worlds.on_local_cluster(tmp_path)
        case _:
            return cluster_worlds.on_simulated_cluster(tmp_path)
