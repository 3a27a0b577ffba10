"""From pods to states: which event, with which clock."""

from __future__ import annotations

import pytest

from runbus.contracts.states import RunState
from support.pods import a_bound_pod, a_pod
from support.runs import a_status, at, limits
from support.watching import Watched, ours, published, version


def test_a_pod_seen_by_nobody_makes_the_run_pending_not_scheduled() -> None:
    run = Watched(a_status(RunState.ADMITTED)).sees(ours(a_pod()), at(2))

    stored = published(run.decide(at(2.1)))

    assert stored is not None
    assert stored[0] == "pending_not_scheduled"
    assert stored[1].since == at(2)


def test_a_found_pod_counts_from_its_own_timestamp_plus_a_second() -> None:
    run = Watched(a_status(RunState.ADMITTED, since=at(-600)))
    run.sees(ours(a_bound_pod()).waiting("ContainerCreating"), at(300), live=False)

    stored = published(run.decide(at(300)))

    assert stored is not None
    assert stored[1].state is RunState.PENDING_SCHEDULED
    assert stored[1].since == at(6)  # PodScheduled at 10:00:05


def test_a_clock_never_starts_before_the_previous_state() -> None:
    run = Watched(a_status(RunState.PENDING_NOT_SCHEDULED, since=at(60)))
    run.sees(ours(a_bound_pod()).waiting("ContainerCreating"), at(300), live=False)

    stored = published(run.decide(at(300)))

    assert stored is not None
    assert stored[1].since == at(60)


def test_a_clock_never_starts_after_now() -> None:
    run = Watched(a_status(RunState.ADMITTED, since=at(0)))
    run.sees(ours(a_bound_pod()).running(time="10:01:00"), at(30), live=False)

    stored = published(run.decide(at(30)))

    assert stored is not None
    assert stored[1].since == at(30)


@pytest.mark.parametrize("left", [RunState.IMAGE_PULL_BACKOFF, RunState.HELD])
def test_after_held_or_image_pull_backoff_a_found_state_counts_from_now(left: RunState) -> None:
    run = Watched(a_status(left, since=at(20)))
    run.sees(ours(a_bound_pod()).running(time="10:01:00"), at(300), live=False)

    stored = published(run.decide(at(301)))

    assert stored is not None
    assert stored[1].since == at(301)


def test_an_image_that_cannot_be_pulled_counts_from_when_it_was_first_seen() -> None:
    run = Watched(a_status(RunState.PENDING_SCHEDULED, since=at(5)))
    run.sees(ours(a_bound_pod()).waiting("ErrImagePull", "not found"), at(40), live=False)

    stored = published(run.decide(at(41)))

    assert stored is not None
    assert stored[0] == "image_pull_backoff"
    assert stored[1].since == at(40)
    assert stored[1].reason == "ErrImagePull"


def test_alternating_image_reasons_are_one_state_and_no_further_event() -> None:
    run = Watched(a_status(RunState.IMAGE_PULL_BACKOFF, reason="ErrImagePull", container="main"))
    pod = ours(a_bound_pod())
    for number, reason in enumerate(
        ["ImagePullBackOff", "ErrImagePull", "ContainerCreating", "ImagePullBackOff"]
    ):
        run.sees(version(pod.waiting(reason), 10 + number), at(10 + number))

        assert run.decide(at(20)).publish is None


def test_a_new_reason_in_the_same_state_is_an_event_and_keeps_the_clock() -> None:
    run = Watched(a_status(RunState.PENDING_SCHEDULED, since=at(5), reason="ContainerCreating"))
    run.sees(ours(a_bound_pod()).waiting("CreateContainerConfigError", "no secret"), at(50))

    stored = published(run.decide(at(50)))

    assert stored is not None
    assert stored[1].reason == "CreateContainerConfigError"
    assert stored[1].since == at(5)


def test_running_may_follow_admitted_directly() -> None:
    run = Watched(a_status(RunState.ADMITTED)).sees(ours(a_bound_pod()).running(), at(70))

    stored = published(run.decide(at(70)))

    assert stored is not None
    assert stored[0] == "running"
    assert [(ref.name, ref.node) for ref in stored[1].pods] == [("train-abcdefghij23-1", "node-1")]


def test_the_event_carries_the_deadline_of_the_state_entered() -> None:
    status = a_status(RunState.ADMITTED, thresholds=limits(running=3600, total=1800))
    run = Watched(status).sees(ours(a_bound_pod()).running(), at(70))

    stored = published(run.decide(at(70)))

    assert stored is not None
    assert (stored[1].deadline, stored[1].deadline_of) == (at(1800), "total")


def test_a_state_told_already_is_not_told_again() -> None:
    run = Watched(a_status(RunState.RUNNING)).sees(ours(a_bound_pod()).running(), at(70))

    assert run.decide(at(71)).publish is None


def test_an_older_version_of_a_pod_changes_nothing() -> None:
    run = Watched(a_status(RunState.RUNNING))
    run.sees(version(ours(a_bound_pod()).running(), 20), at(70))
    run.sees(version(ours(a_bound_pod()).waiting("ContainerCreating"), 19), at(71))

    assert run.decide(at(72)).publish is None
