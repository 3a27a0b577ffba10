"""A pod's times by our clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runbus.reading.clocks import by_our_clock
from runbus.reading.objects import (
    Condition,
    ContainerState,
    ContainerStatus,
    ObjectMeta,
    Pod,
    PodStatus,
    Running,
    Terminated,
)
from support.runs import at

AHEAD = timedelta(minutes=5)


def a_pod(shift_s: float) -> Pod:
    """Return a pod with a time in every place that has one."""
    state = ContainerState(running=Running(at(20 + shift_s)))
    ended = ContainerState(
        terminated=Terminated(started_at=at(21 + shift_s), finished_at=at(22 + shift_s))
    )
    return Pod(
        metadata=ObjectMeta(
            name="p", creation_timestamp=at(10 + shift_s), deletion_timestamp=at(30 + shift_s)
        ),
        status=PodStatus(
            conditions=(Condition(type="PodScheduled", last_transition_time=at(11 + shift_s)),),
            container_statuses=(ContainerStatus(name="main", state=state, last_state=ended),),
            init_container_statuses=(ContainerStatus(name="init", state=ended),),
        ),
    )


@pytest.mark.parametrize("ahead", [AHEAD, -AHEAD])
def test_every_time_of_a_pod_is_moved_and_nothing_else(ahead: timedelta) -> None:
    assert by_our_clock(a_pod(ahead.total_seconds()), ahead) == a_pod(0)


def test_clocks_that_agree_cost_nothing() -> None:
    pod = a_pod(0)

    assert by_our_clock(pod, timedelta()) is pod


def test_what_stands_for_never_stays_never() -> None:
    never = datetime(1, 1, 1, tzinfo=UTC)
    pod = Pod(metadata=ObjectMeta(creation_timestamp=never))

    assert by_our_clock(pod, AHEAD) == pod
    assert by_our_clock(Pod(), AHEAD) == Pod()
