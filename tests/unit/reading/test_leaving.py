"""Pods on their way out: how they will count, how a vanished one counts, whose doing an end was."""

from __future__ import annotations

import pytest

from runbus.contracts.states import OutcomeClass, RunState
from runbus.reading.ends import ended_on_its_own, reading_with_spot
from runbus.reading.explain import describe
from runbus.reading.objects import Pod
from runbus.reading.pods import read_gone, read_pod
from support.pods import PodBuilder, a_bound_pod, a_pod, at

USER = OutcomeClass.USER
INFRASTRUCTURE = OutcomeClass.INFRASTRUCTURE
COMPLETED = RunState.COMPLETED
ERROR = RunState.ERROR

RUNS = a_bound_pod().running()
FAILED = a_bound_pod().phase("Failed")
BESIDE = a_bound_pod().with_container().running(container="logger")

ENDS_AS: dict[str, tuple[PodBuilder, tuple[str, OutcomeClass] | None]] = {
    "runs": (RUNS, None),
    "deleted by somebody": (RUNS.deleting(), ("PodDeleted", USER)),
    "deleted while pending": (a_pod().deleting(), ("PodDeleted", USER)),
    "preempted": (
        RUNS.disrupted("PreemptionByScheduler").deleting(),
        ("PreemptionByScheduler", INFRASTRUCTURE),
    ),
    "disrupted, not deleted yet": (
        RUNS.disrupted("DeletionByTaintManager"),
        ("DeletionByTaintManager", INFRASTRUCTURE),
    ),
    "node lost": (
        RUNS.disrupted("DeletionByTaintManager").phase("Running", reason="NodeLost").deleting(),
        ("NodeLost", INFRASTRUCTURE),
    ),
    "node lost, says an old control plane": (
        RUNS.phase("Running", reason="NodeLost"),
        ("NodeLost", INFRASTRUCTURE),
    ),
    "disruption called off, then deleted": (
        RUNS.condition("DisruptionTarget", "False").deleting(),
        ("PodDeleted", USER),
    ),
}


@pytest.mark.parametrize(("builder", "expected"), ENDS_AS.values(), ids=ENDS_AS)
def test_a_pod_on_its_way_out_tells_how_it_will_count(
    builder: PodBuilder, expected: tuple[str, OutcomeClass] | None
) -> None:
    ending = read_pod(builder.pod()).ends_as
    assert (ending and (ending.reason, ending.outcome_class)) == expected
    assert ending is None or ending.state is ERROR


GONE: dict[str, tuple[PodBuilder, RunState, str, OutcomeClass | None]] = {
    "for no reason seen": (RUNS, ERROR, "PodLost", INFRASTRUCTURE),
    "before it had a node": (a_pod(), ERROR, "PodLost", INFRASTRUCTURE),
    "deleted by somebody": (RUNS.deleting(), ERROR, "PodDeleted", USER),
    "drained": (
        RUNS.disrupted("EvictionByEvictionAPI").deleting(),
        ERROR,
        "EvictionByEvictionAPI",
        INFRASTRUCTURE,
    ),
    "lost with its node": (
        RUNS.phase("Running", reason="NodeLost").deleting(),
        ERROR,
        "NodeLost",
        INFRASTRUCTURE,
    ),
    "after it had completed": (
        a_bound_pod().terminated(0).phase("Succeeded"),
        COMPLETED,
        "Completed",
        None,
    ),
    "after main had completed beside a sidecar": (
        BESIDE.terminated(0),
        COMPLETED,
        "Completed",
        None,
    ),
    "after it had failed": (a_bound_pod().terminated(3), ERROR, "Error", USER),
}


@pytest.mark.parametrize(("builder", "state", "reason", "outcome_class"), GONE.values(), ids=GONE)
def test_a_vanished_pod_is_read_from_how_it_was_last_seen(
    builder: PodBuilder, state: RunState, reason: str, outcome_class: OutcomeClass | None
) -> None:
    reading = read_gone(builder.pod())
    assert reading.ended
    assert reading.pod_ended
    assert not reading.needs_cleanup
    assert (reading.state, reading.reason, reading.outcome_class) == (state, reason, outcome_class)


OWN: dict[str, tuple[PodBuilder, bool]] = {
    "not deleted": (a_bound_pod().terminated(0), True),
    "ended the second before": (
        a_bound_pod().terminated(0, finished="10:19:59").deleting(asked_at="10:20:00"),
        True,
    ),
    "ended in the same second": (
        a_bound_pod().terminated(0, finished="10:20:00").deleting(asked_at="10:20:00"),
        False,
    ),
    "exited 0 on our SIGTERM": (
        a_bound_pod().terminated(0, finished="10:20:01").deleting().phase("Succeeded"),
        False,
    ),
    "deleted, and nobody knows when it ended": (FAILED.deleting(), False),
    "has not ended": (RUNS, False),
}


@pytest.mark.parametrize(("builder", "own"), OWN.values(), ids=OWN)
def test_an_end_is_its_own_only_if_it_came_before_the_deletion(
    builder: PodBuilder, own: bool
) -> None:
    assert ended_on_its_own(read_pod(builder.pod())) is own


def test_a_second_deletion_with_less_grace_does_not_move_the_first_request() -> None:
    asked = RUNS.deleting(asked_at="10:20:00", grace_s=30).document()
    asked["metadata"]["deletionTimestamp"] = "2026-11-01T10:20:00Z"
    asked["metadata"]["deletionGracePeriodSeconds"] = 0
    assert read_pod(PodBuilder(asked).pod()).deleted_at == at("10:20:00")


SPOT_RECLAIMS = [
    FAILED.phase("Failed", reason="Terminated").disrupted("TerminationByKubelet"),
    FAILED.phase("Failed", reason="NodeShutdown"),
    FAILED.terminated(143).disrupted("EvictionByEvictionAPI"),
    FAILED.disrupted("DeletionByPodGC"),
    FAILED.disrupted("DeletionByTaintManager"),
    FAILED.disrupted("PreemptionByScheduler"),
    FAILED.phase("Failed", reason="Evicted").disrupted("TerminationByKubelet"),
    FAILED.phase("Failed", reason="Preempting"),
    FAILED.phase("Failed", reason="OutOfcpu"),
    FAILED.phase("Failed", reason="NodeAffinity"),
]
NO_RECLAIMS = [
    FAILED.terminated(1),
    FAILED.terminated(137, reason="OOMKilled"),
    FAILED.phase("Failed", reason="DeadlineExceeded"),
    a_bound_pod().terminated(0).phase("Succeeded"),
    RUNS,
    RUNS.disrupted("EvictionByEvictionAPI").deleting(),
]


@pytest.mark.parametrize("pod", [each.pod() for each in SPOT_RECLAIMS])
def test_whatever_the_platform_ends_on_a_spot_node_is_a_reclaim(pod: Pod) -> None:
    reading = reading_with_spot(read_pod(pod), is_spot=True)
    assert (reading.reason, reading.outcome_class) == ("SpotReclaimed", INFRASTRUCTURE)
    assert reading.message.startswith(f"lost its place on spot node node-1 ({read_pod(pod).reason}")
    assert describe(reading) == reading.message


@pytest.mark.parametrize("pod", [each.pod() for each in NO_RECLAIMS])
def test_what_a_user_ended_on_a_spot_node_or_has_not_ended_is_none(pod: Pod) -> None:
    assert reading_with_spot(read_pod(pod), is_spot=True) == read_pod(pod)


@pytest.mark.parametrize("is_spot", [False, None])
@pytest.mark.parametrize("pod", [each.pod() for each in SPOT_RECLAIMS])
def test_elsewhere_nothing_is_a_reclaim(pod: Pod, is_spot: bool | None) -> None:
    assert reading_with_spot(read_pod(pod), is_spot=is_spot) == read_pod(pod)


def test_a_pod_that_vanished_with_its_spot_node_was_reclaimed() -> None:
    lost = reading_with_spot(read_gone(RUNS.pod()), is_spot=True)
    assert (lost.reason, lost.outcome_class) == ("SpotReclaimed", INFRASTRUCTURE)


def test_a_pod_that_somebody_deleted_on_a_spot_node_was_not_reclaimed() -> None:
    deleted = reading_with_spot(read_gone(RUNS.deleting().pod()), is_spot=True)
    assert deleted.reason == "PodDeleted"
