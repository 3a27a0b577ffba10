"""How many runs a launcher holds: what the rate lets through in time; the bus keeps the others."""

from __future__ import annotations

import pytest

from runbus.pod_launcher.__main__ import in_hand_max
from runbus.pod_launcher.config import LauncherConfig


@pytest.mark.parametrize(
    ("qps", "held"),
    [(0.0, 64), (-1.0, 64), (1000.0, 64), (5.0, 10), (0.01, 1)],
)
def test_no_more_runs_are_held_than_the_rate_lets_through_in_time(qps: float, held: int) -> None:
    assert in_hand_max(LauncherConfig(kube_qps=qps, in_hand_max=64)) == held
