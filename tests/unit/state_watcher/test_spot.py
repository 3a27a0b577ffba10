"""Spot nodes: noted when a pod is bound, remembered by the status, named when they end a run."""

from __future__ import annotations

import pytest

from runbus.contracts.commands import KeepEvidence
from runbus.contracts.states import OutcomeClass, RunState
from runbus.contracts.status import PodRef, RunStatus
from runbus.state_watcher.holding import packed, unpacked
from support.pods import PodBuilder, a_bound_pod, a_pod
from support.runs import a_policy, a_status, at, pod_name
from support.watching import Watched, commands, ours, published, version

LABELS = {"example.com/spot": "yes"}
RUNS = ours(a_bound_pod()).running()
RECLAIMED = version(
    RUNS.terminated(143).phase("Failed", reason="Terminated").disrupted("TerminationByKubelet"), 30
)
BY_THE_PLATFORM = {
    "shut down": RECLAIMED,
    "evicted": version(RUNS.terminated(137).phase("Failed", reason="Evicted"), 30),
    "preempted": version(RUNS.terminated(143).disrupted("PreemptionByScheduler"), 30),
}
BY_THE_USER = {
    "failed": version(RUNS.terminated(1).phase("Failed"), 30),
    "out of memory": version(RUNS.terminated(137, reason="OOMKilled").phase("Failed"), 30),
}


def status(
    state: RunState = RunState.RUNNING, spot: bool | None = None, **more: object
) -> RunStatus:
    ref = PodRef(name=pod_name(), uid="uid-1", node="node-1", spot=spot)
    return a_status(state, spot_labels=LABELS, pods=(ref,), **more)


def on_spot() -> Watched:
    """Return a run that runs on a spot node."""
    return Watched(status()).sees(RUNS, at(10)).node_is(is_spot=True)


@pytest.mark.parametrize("pod", BY_THE_PLATFORM.values(), ids=BY_THE_PLATFORM)
def test_the_platforms_end_of_an_attempt_on_a_spot_node_is_a_reclaim(pod: PodBuilder) -> None:
    stored = published(on_spot().sees(pod, at(20)).decide(at(20)))

    assert stored is not None
    assert stored[1].reason == "SpotReclaimed"
    assert stored[1].outcome_class is OutcomeClass.INFRASTRUCTURE
    assert stored[1].status_text.startswith("lost its place on spot node node-1 (")


@pytest.mark.parametrize("pod", BY_THE_USER.values(), ids=BY_THE_USER)
def test_the_programs_own_end_on_a_spot_node_is_none(pod: PodBuilder) -> None:
    stored = published(on_spot().sees(pod, at(20)).decide(at(20)))

    assert stored is not None
    assert stored[1].reason in {"Error", "OOMKilled"}
    assert stored[1].outcome_class is OutcomeClass.USER


def test_on_another_node_the_reason_is_kubernetes_own() -> None:
    run = Watched(status()).sees(RUNS, at(10)).node_is(is_spot=False).sees(RECLAIMED, at(20))

    stored = published(run.decide(at(20)))

    assert stored is not None
    assert stored[1].reason == "Terminated"


@pytest.mark.parametrize("named", ["SpotReclaimed", "Terminated", "infrastructure", "running"])
def test_a_policy_that_names_it_in_any_way_leads_to_another_attempt(named: str) -> None:
    run = Watched(status(retry=a_policy(1, named))).sees(RUNS, at(10)).node_is(is_spot=True)

    stored = published(run.sees(RECLAIMED, at(20)).decide(at(20)))

    assert stored is not None
    assert stored[1].state is RunState.RETRYING


def test_a_retry_beside_a_sidecar_is_judged_by_the_same_reason() -> None:
    beside = ours(a_bound_pod().with_container()).running(container="logger")
    ended = beside.terminated(143).disrupted("TerminationByKubelet")
    run = Watched(status(retry=a_policy(1, "SpotReclaimed"))).sees(beside.running(), at(10))

    decision = run.node_is(is_spot=True).sees(version(ended, 30), at(20)).decide(at(20))

    assert decision.publish is None  # the sidecar has to go first: no two attempts overlap


def test_what_sort_of_node_it_is_stands_in_the_next_event() -> None:
    run = Watched(a_status(RunState.PENDING_SCHEDULED, spot_labels=LABELS))

    stored = published(run.sees(RUNS, at(10)).node_is(is_spot=True).decide(at(10)))

    assert stored is not None
    assert [(each.node, each.spot) for each in stored[1].pods] == [("node-1", True)]


def test_the_state_of_a_pod_never_waits_for_its_node() -> None:
    run = Watched(a_status(RunState.PENDING_SCHEDULED, spot_labels=LABELS)).sees(RUNS, at(10))

    stored = published(run.decide(at(10)))

    assert stored is not None
    assert stored[1].state is RunState.RUNNING
    assert [each.spot for each in stored[1].pods] == [None]


def test_a_new_owner_has_it_from_the_status_when_the_node_and_the_pod_are_gone() -> None:
    run = Watched(status(spot=True))

    stored = published(run.absent(at(80)).decide(at(81)))

    assert stored is not None
    assert (stored[1].reason, stored[1].outcome_class) == (
        "SpotReclaimed",
        OutcomeClass.INFRASTRUCTURE,
    )
    assert "spot node node-1 (PodLost: " in stored[1].message


def test_a_new_owner_that_finds_the_pod_ended_has_it_from_the_status() -> None:
    stored = published(
        Watched(status(spot=True)).sees(RECLAIMED, at(80), live=False).decide(at(80))
    )

    assert stored is not None
    assert stored[1].reason == "SpotReclaimed"


def test_a_lost_pod_on_a_spot_node_was_reclaimed() -> None:
    run = on_spot().sees_gone(version(RUNS, 30), at(80)).absent(at(80))

    stored = published(run.decide(at(81)))

    assert stored is not None
    assert stored[1].reason == "SpotReclaimed"


def test_nothing_is_asked_where_it_does_not_matter_or_is_known() -> None:
    unconfigured = Watched(a_status(RunState.RUNNING)).sees(RUNS, at(10))
    unbound = Watched(status(RunState.PENDING_NOT_SCHEDULED)).sees(ours(a_pod()), at(10))
    told = Watched(status(spot=False)).sees(RUNS, at(10))
    over = Watched(status(RunState.COMPLETED)).sees(RUNS, at(10))

    for run in (unconfigured, unbound, told, over, on_spot()):
        assert run.known().on_unknown_node is None


def test_the_platforms_end_waits_shortly_for_an_answer_that_is_on_its_way() -> None:
    run = Watched(status()).sees(RECLAIMED, at(20))

    waiting, late = run.decide(at(20)), published(run.decide(at(22)))

    assert waiting.publish is None
    assert [type(each) for each in commands(waiting)] == [KeepEvidence]
    assert waiting.wake_at == at(22)
    assert late is not None
    assert late[1].reason == "Terminated"


def test_nothing_waits_where_nobody_can_tell_what_sort_of_node_it_was() -> None:
    run = Watched(status()).sees(RECLAIMED, at(20))
    run.is_node_lost = True

    stored = published(run.decide(at(20)))

    assert stored is not None
    assert stored[1].reason == "Terminated"
    assert [each.spot for each in stored[1].pods] == [None]


def test_what_is_known_of_the_node_outlives_packing_and_a_change_of_the_pod() -> None:
    run = on_spot()
    run.tracked = unpacked(packed(run.tracked))

    stored = published(run.sees(RECLAIMED, at(20)).decide(at(20)))

    assert stored is not None
    assert stored[1].reason == "SpotReclaimed"


def test_the_node_of_another_pod_says_nothing() -> None:
    replaced = ours(a_bound_pod()).running().document()
    replaced["metadata"]["uid"] = "another"

    run = Watched(status(spot=True)).sees(PodBuilder(replaced), at(10))

    assert run.known().on_unknown_node is not None
