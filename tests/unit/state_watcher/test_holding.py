"""Runs in memory: what was touched lately as it is, the rest packed, and nothing lost by that."""

from __future__ import annotations

import pytest

from runbus.contracts.commands import KeepEvidence
from runbus.contracts.states import EventType, RunState
from runbus.contracts.status import AbortCause, PodRef
from runbus.reading.autoscaler import AutoscalerWord
from runbus.state_watcher.holding import Runs, packed, unpacked
from runbus.state_watcher.tracking import Tracked
from support.pods import PodBuilder, a_bound_pod, a_pod
from support.runs import a_policy, a_record, a_status, at, limits
from support.watching import ours

PODS = {
    "not scheduled": ours(a_pod()),
    "waits for its image": ours(a_bound_pod()).waiting("ImagePullBackOff", "not found"),
    "running": ours(a_bound_pod()).running(),
    "ended": ours(a_bound_pod()).terminated(137, reason="OOMKilled"),
    "being deleted": ours(a_bound_pod()).running().deleting(),
}


def a_run(number: int = 0) -> Tracked:
    """Return a run of which every field is set."""
    status = a_status(
        RunState.ABORTING,
        since=at(1.000001),
        admitted_at=at(0.5),
        reason="ThresholdExceeded",
        roles={"main": {"running": 1}},
        pods=(PodRef(name="x", uid="u", node="n", spot=True),),
        thresholds=limits(running=60.0, queued=None),
        retry=a_policy(2, "user"),
        abort=AbortCause(by="threshold", state=RunState.RUNNING, since=at(1), overdue_ms=3),
    )
    tracked = Tracked()
    tracked.take_record(a_record(status, 7 + number, EventType.ABORTING.value), at(2))
    tracked.confirmed_at = at(3)
    tracked.absent_at = at(4)
    tracked.abort_asked_at = at(5)
    tracked.clean_up_asked = {"u": at(6)}
    tracked.foreign_uid = "another"
    tracked.autoscaler = AutoscalerWord(asked_at=at(6), by="karpenter", reason="Nominated")
    tracked.take_sent(KeepEvidence(attempt=1, namespace="nlp", objects=()), at(7))
    return tracked


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_a_run_comes_out_as_it_was_packed(pod: PodBuilder) -> None:
    run = a_run()
    run.take_pod(pod.pod(), at(8), True, 3)

    assert unpacked(packed(run)) == run


def test_a_pod_that_is_gone_comes_out_as_it_was_packed() -> None:
    run = a_run()
    run.take_gone(PODS["ended"].pod(), at(8))

    assert unpacked(packed(run)) == run


def test_a_run_without_anything_comes_out_as_it_was_packed() -> None:
    assert unpacked(packed(Tracked())) == Tracked()


def test_what_was_touched_longest_ago_is_packed() -> None:
    runs = Runs(unpacked_max=2)
    first = runs.add("a")
    runs.add("b")
    runs.get("a")
    runs.add("c")

    assert runs.get("a") is first
    assert runs.get("c") is not None
    assert runs.get("b") == Tracked()  # unpacked: "a" is the one longest ago now
    assert runs.get("a") is not first
    assert sorted(runs) == ["a", "b", "c"]
    assert len(runs) == 3


def test_a_key_stays_the_object_that_it_was() -> None:
    runs = Runs(unpacked_max=1)
    first = "".join(["a", "b"])
    for key in (first, "c", "".join(["a", "b"]), "d"):
        runs.add(key)

    assert next(key for key in runs if key == first) is first


def test_a_change_outlives_packing() -> None:
    runs = Runs(unpacked_max=1)
    runs.add("a").evidence_asked = 4
    runs.add("b")

    found = runs.get("a")

    assert found is not None
    assert found.evidence_asked == 4


def test_a_run_in_hand_is_not_packed() -> None:
    runs = Runs(unpacked_max=1)
    held = runs.add("a")
    with runs.in_hand("a"):
        runs.add("b")
        runs.add("c")
        held.evidence_asked = 4

        assert runs.get("a") is held


def test_many_in_hand_are_all_left_as_they_are() -> None:
    runs = Runs(unpacked_max=1)
    with runs.in_hand("a"), runs.in_hand("b"), runs.in_hand("c"):
        found = {key: runs.add(key) for key in "abc"}

        assert all(runs.get(key) is each for key, each in found.items())


def test_a_run_is_added_once() -> None:
    runs = Runs(unpacked_max=1)
    first = runs.add("a")

    assert runs.add("a") is first


@pytest.mark.parametrize("unpacked_max", [1, 2])
def test_a_removed_run_is_gone(unpacked_max: int) -> None:
    runs = Runs(unpacked_max)
    for key in "ab":
        runs.add(key)
    runs.remove("a")

    assert runs.get("a") is None
    assert "a" not in runs
    assert list(runs) == ["b"]


def test_runs_may_change_while_all_are_gone_through() -> None:
    runs = Runs(unpacked_max=1)
    for key in "abcd":
        runs.add(key)
    seen = []
    for key in runs:
        seen.append(key)
        runs.get(key)
        runs.remove("d")

    assert sorted(seen) == ["a", "b", "c", "d"]
