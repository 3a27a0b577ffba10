"""A pod that vanished is lost only where a question by its name does not find it either."""

from __future__ import annotations

from runbus.contracts.states import OutcomeClass, RunState
from support.pods import PodBuilder, a_bound_pod
from support.runs import a_policy, a_status, at
from support.watching import Watched, ours, published, version

RUNS = ours(a_bound_pod()).running()


def running() -> Watched:
    """Return a run whose pod has been seen to run."""
    return Watched(a_status(RunState.RUNNING)).sees(RUNS, at(70))


def without_labels(pod: PodBuilder) -> PodBuilder:
    """Take every label off a pod."""
    document = pod.document()
    document["metadata"]["labels"] = {}
    return PodBuilder(document)


def test_a_pod_that_the_watch_calls_deleted_is_asked_for_before_it_counts_as_lost() -> None:
    run = running().sees_gone(version(RUNS, 30), at(80))

    asked = run.decide(at(80))
    early = run.absent(at(80.1)).decide(at(81))
    late = published(run.decide(at(81.1)))

    assert asked.publish is None
    assert asked.look is not None
    assert early.publish is None
    assert late is not None
    assert (late[1].reason, late[1].outcome_class) == ("PodLost", OutcomeClass.INFRASTRUCTURE)


def test_a_404_from_before_the_pod_was_seen_is_no_proof() -> None:
    run = Watched(a_status(RunState.RUNNING)).absent(at(69))
    run.sees(RUNS, at(70)).sees_gone(version(RUNS, 30), at(80))

    decision = run.decide(at(82))

    assert decision.publish is None
    assert decision.look is not None


def test_what_somebody_deleted_needs_no_question() -> None:
    run = running().sees_gone(version(RUNS.deleting(asked_at="10:01:00"), 30), at(91))

    stored = published(run.decide(at(91)))

    assert stored is not None
    assert (stored[1].reason, stored[1].outcome_class) == ("PodDeleted", OutcomeClass.USER)


def test_a_run_of_which_a_new_owner_sees_no_pod_asks_for_it() -> None:
    run = Watched(a_status(RunState.RUNNING))

    asked = run.decide(at(80))
    lost = published(run.absent(at(80)).decide(at(81)))

    assert (asked.publish, asked.look is not None) == (None, True)
    assert lost is not None
    assert lost[1].reason == "PodLost"


def test_a_pod_of_an_attempt_that_is_over_is_not_lost() -> None:
    status = a_status(RunState.ADMITTED, attempt=2, retry=a_policy(2))
    run = Watched(status).sees(RUNS, at(0)).sees_gone(version(RUNS, 30), at(1))

    decision = run.decide(at(2))

    assert (decision.publish, decision.look) == (None, None)


def test_a_pod_that_is_there_by_its_name_goes_on_and_is_asked_for_from_then_on() -> None:
    run = running().sees_gone(version(RUNS, 30), at(80))

    decision = run.found(version(RUNS, 30), at(80.1)).decide(at(80.2))

    assert (decision.publish, decision.look, decision.wake_at) == (None, None, at(85.1))
    assert run.decide(at(85.1)).look is not None


def test_a_pod_that_only_its_name_tells_of_ends_as_any_other() -> None:
    run = running().sees_gone(version(RUNS, 30), at(80)).found(version(RUNS, 30), at(80.1))
    succeeded = ours(a_bound_pod()).terminated(0).phase("Succeeded")

    stored = published(run.found(version(succeeded, 40), at(85.1)).decide(at(85.1)))

    assert stored is not None
    assert stored[0] == "completed"


def test_a_pod_that_has_its_labels_again_is_watched_as_any_other() -> None:
    run = running().sees_gone(version(RUNS, 30), at(80)).found(version(RUNS, 30), at(80.1))

    decision = run.sees(version(RUNS, 50), at(83)).decide(at(100))

    assert (decision.look, decision.wake_at) == (None, None)


def test_an_answer_from_before_the_pod_was_gone_does_not_bring_it_back() -> None:
    run = running().sees_gone(version(RUNS, 30), at(80))

    asked_before = run.found(version(RUNS, 30), at(79.9)).decide(at(80.1))
    older = run.found(version(RUNS, 29), at(80.2)).decide(at(80.3))

    assert asked_before.look is not None
    assert older.look is not None


def test_a_pod_whose_labels_were_all_taken_off_is_not_lost_but_not_ours() -> None:
    run = running().sees_gone(version(RUNS, 30), at(80))
    run.tracked.foreign_uid = without_labels(RUNS).pod().metadata.uid

    stored = published(run.decide(at(80.2)))

    assert stored is not None
    assert (stored[1].reason, stored[1].outcome_class) == ("ObjectNotOurs", OutcomeClass.USER)


def test_a_pod_that_has_its_labels_again_is_ours_again() -> None:
    run = running()
    run.tracked.foreign_uid = RUNS.pod().metadata.uid
    run.sees(version(RUNS, 30), at(75)).sees_gone(version(RUNS, 40), at(80))

    decision = run.decide(at(80.2))

    assert decision.publish is None
    assert decision.look is not None


def test_a_pod_whose_name_another_object_has_is_lost() -> None:
    run = running().sees_gone(version(RUNS, 30), at(80))
    run.tracked.foreign_uid = "another"

    stored = published(run.decide(at(80.2)))

    assert stored is not None
    assert stored[1].reason == "PodLost"
