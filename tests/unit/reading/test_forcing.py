"""When a pod is forced away, and whether its program may still run then."""

from __future__ import annotations

from datetime import datetime

import pytest

from runbus.reading.forcing import Force, NodeView, force, may_still_run
from support.runs import at

SILENT = NodeView(exists=True, ready=False)


@pytest.mark.parametrize(
    ("node", "seconds_past", "expected"),
    [
        (NodeView(exists=True, ready=True), 0.5, Force.NO),
        (NodeView(exists=True, ready=True), 1, Force.YES),
        (NodeView(exists=False), 1, Force.YES),
        (NodeView(exists=True, ready=False), 1, Force.NOT_YET),
        (NodeView(exists=True, ready=False), 299, Force.NOT_YET),
        (NodeView(exists=True, ready=False), 300, Force.YES),
        (None, 299, Force.NOT_YET),
        (None, 300, Force.YES),
    ],
)
def test_a_pod_past_its_grace_is_forced_only_where_that_is_safe(
    node: NodeView | None, seconds_past: float, expected: Force
) -> None:
    assert force(at(0), node, at(seconds_past), 300.0) is expected


def test_a_pod_that_nobody_deletes_is_not_forced() -> None:
    assert force(None, None, at(1e6), 300.0) is Force.NO


@pytest.mark.parametrize(
    ("forced_at", "expected"),
    [
        pytest.param(at(1), False, id="at once, from a ready node"),
        pytest.param(at(8), False, id="after a reminder, from a ready node"),
        pytest.param(at(289), False, id="before a silent node's time"),
        pytest.param(at(300), True, id="after a silent node's time"),
        pytest.param(at(291), True, id="after it by a clock that is 9 s ahead"),
    ],
)
def test_a_program_may_still_run_where_its_node_had_been_silent(
    forced_at: datetime, expected: bool
) -> None:
    assert may_still_run(at(0), forced_at, 300.0) is expected


@pytest.mark.parametrize("unreachable_after_s", [0.5, 4.0, 300.0, 3600.0])
def test_whenever_a_silent_node_is_given_up_its_program_may_still_run(
    unreachable_after_s: float,
) -> None:
    moments = [at(seconds / 4) for seconds in range(4 * 3700)]
    forced_at = next(
        each for each in moments if force(at(0), SILENT, each, unreachable_after_s) is Force.YES
    )

    assert may_still_run(at(0), forced_at, unreachable_after_s)


def test_of_a_pod_that_nobody_deleted_nothing_still_runs() -> None:
    assert not may_still_run(None, at(1e6), 300.0)
