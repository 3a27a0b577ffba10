"""The end of an attempt: completed, failed, retried, lost; and evidence of it."""

from __future__ import annotations

from runbus.contracts.commands import CleanUpCause, CleanUpObjects, KeepEvidence
from runbus.contracts.states import OutcomeClass, RunState
from runbus.contracts.status import PodRef
from support.pods import PodBuilder, a_bound_pod, a_pod
from support.runs import a_policy, a_status, at, limits, pod_name
from support.watching import Watched, commands, ours, published, version


def succeeded() -> PodBuilder:
    return ours(a_bound_pod()).terminated(0).phase("Succeeded")


def failed(exit_code: int = 3) -> PodBuilder:
    return ours(a_bound_pod()).terminated(exit_code).phase("Failed")


def test_exit_code_0_completes_the_run_and_its_evidence_is_kept_first() -> None:
    decision = Watched(a_status(RunState.RUNNING)).sees(succeeded(), at(9)).decide(at(9))

    stored = published(decision)
    assert stored is not None
    assert (stored[0], stored[1].exit_code) == ("completed", 0)
    assert [type(each) for each in commands(decision)] == [KeepEvidence]


def test_another_exit_code_is_an_error_of_the_user() -> None:
    stored = published(Watched(a_status(RunState.RUNNING)).sees(failed(3), at(9)).decide(at(9)))

    assert stored is not None
    assert stored[0] == "attempt_failed"
    assert stored[1].state is RunState.ERROR
    assert stored[1].outcome_class is OutcomeClass.USER
    assert stored[1].exit_code == 3


def test_a_policy_that_names_the_class_leads_to_another_attempt() -> None:
    status = a_status(RunState.RUNNING, retry=a_policy(1, "user"))

    stored = published(Watched(status).sees(failed(), at(9)).decide(at(9)))

    assert stored is not None
    assert stored[1].state is RunState.RETRYING
    assert stored[1].not_before == at(19)


def test_evidence_is_asked_for_once_in_an_attempt() -> None:
    run = Watched(a_status(RunState.RUNNING)).sees(succeeded(), at(9))
    run.tracked.evidence_asked = 1

    assert commands(run.decide(at(9))) == []


def test_evidence_of_a_pod_that_somebody_deletes_is_kept_while_it_is_there() -> None:
    pod = ours(a_bound_pod()).running()
    run = Watched(a_status(RunState.RUNNING)).sees(pod, at(9)).sees(pod.deleting(), at(10))

    asked = commands(run.decide(at(10)))

    assert [each.cause for each in asked if isinstance(each, KeepEvidence)] == ["deleting"]
    run.tracked.take_sent(asked[0], at(10))
    assert commands(run.decide(at(11))) == []
    run.sees(version(succeeded().deleting(), 40), at(12))
    assert [
        each.cause for each in commands(run.decide(at(12))) if isinstance(each, KeepEvidence)
    ] == ["ended"]


def test_main_that_ended_beside_a_sidecar_completes_and_the_pod_is_cleaned_up() -> None:
    pod = ours(a_bound_pod().with_container()).running(container="logger").terminated(0)
    run = Watched(a_status(RunState.RUNNING)).sees(pod, at(9))

    decision = run.decide(at(9))

    stored = published(decision)
    assert stored is not None
    assert stored[0] == "completed"
    causes = [each.cause for each in commands(decision) if isinstance(each, CleanUpObjects)]
    assert causes == [CleanUpCause.ENDED]


def test_a_retry_waits_until_the_sidecar_of_the_last_attempt_has_gone() -> None:
    pod = ours(a_bound_pod().with_container()).running(container="logger").terminated(1)
    run = Watched(a_status(RunState.RUNNING, retry=a_policy(1, "user"))).sees(pod, at(9))

    first = run.decide(at(9))
    run.sees_gone(version(pod, 30), at(12))
    second = published(run.decide(at(12)))

    assert first.publish is None
    assert [type(each) for each in commands(first)] == [KeepEvidence, CleanUpObjects]
    assert second is not None
    assert second[1].state is RunState.RETRYING


def test_a_pod_deleted_by_somebody_ends_the_attempt_as_their_doing() -> None:
    run = Watched(a_status(RunState.RUNNING))
    run.sees_gone(ours(a_bound_pod()).running().deleting(asked_at="10:02:00"), at(130))

    stored = published(run.decide(at(130)))

    assert stored is not None
    assert (stored[1].reason, stored[1].outcome_class) == ("PodDeleted", OutcomeClass.USER)


def test_a_preempted_pod_ends_the_attempt_as_the_platforms_doing() -> None:
    run = Watched(a_status(RunState.RUNNING))
    pod = ours(a_bound_pod()).running().disrupted("PreemptionByScheduler").deleting()
    run.sees_gone(pod, at(130))

    stored = published(run.decide(at(130)))

    assert stored is not None
    assert stored[1].outcome_class is OutcomeClass.INFRASTRUCTURE
    assert stored[1].reason == "PreemptionByScheduler"


def test_a_pod_that_a_list_does_not_show_is_asked_for_before_it_counts_as_lost() -> None:
    run = Watched(a_status(RunState.RUNNING)).sees(ours(a_bound_pod()).running(), at(70))
    run.missing()

    decision = run.decide(at(80))

    assert decision.publish is None
    assert decision.look is not None
    assert decision.look.name == "train-abcdefghij23-1"


def test_a_pod_that_is_not_there_by_name_either_is_lost_a_second_later() -> None:
    run = Watched(a_status(RunState.RUNNING)).sees(ours(a_bound_pod()).running(), at(70))
    run.absent(at(80))

    early, late = run.decide(at(80.5)), published(run.decide(at(81)))

    assert early.publish is None
    assert early.wake_at == at(81)
    assert late is not None
    assert (late[1].reason, late[1].outcome_class) == ("PodLost", OutcomeClass.INFRASTRUCTURE)


def test_how_a_pod_ended_may_still_arrive_after_the_404() -> None:
    run = Watched(a_status(RunState.RUNNING)).sees(ours(a_bound_pod()).running(), at(70))
    run.absent(at(80)).sees_gone(version(succeeded(), 40), at(80.2))

    stored = published(run.decide(at(80.3)))

    assert stored is not None
    assert stored[0] == "completed"


def test_after_a_restart_a_run_without_its_pod_asks_for_it() -> None:
    run = Watched(a_status(RunState.RUNNING))

    assert run.decide(at(80)).look is not None
    assert run.absent(at(80)).decide(at(81)).publish is not None


def test_nothing_is_lost_while_the_api_server_does_not_answer() -> None:
    run = Watched(a_status(RunState.RUNNING))
    run.reachable = False

    decision = run.decide(at(80))

    assert (decision.publish, decision.look) == (None, None)
    assert decision.wake_at == at(85)


def test_nothing_is_lost_before_the_first_list() -> None:
    run = Watched(a_status(RunState.RUNNING))
    run.synced = False

    decision = run.decide(at(80))

    assert (decision.publish, decision.look) == (None, None)


def test_an_admitted_run_without_objects_just_waits() -> None:
    decision = Watched(a_status(RunState.ADMITTED)).decide(at(80))

    assert (decision.publish, decision.look, decision.commands) == (None, None, ())


def test_a_launched_pod_that_does_not_show_is_asked_for_after_three_seconds() -> None:
    run = Watched(a_status(RunState.ADMITTED), event_type="launched")

    assert run.decide(at(1)).wake_at == at(3)
    assert run.decide(at(3)).look is not None


def test_an_object_of_that_name_that_is_not_ours_ends_the_attempt() -> None:
    run = Watched(a_status(RunState.ADMITTED), event_type="launched")
    run.tracked.foreign_uid = "another"

    stored = published(run.decide(at(4)))

    assert stored is not None
    assert stored[1].reason == "ObjectNotOurs"


def test_a_final_run_without_objects_is_forgotten() -> None:
    assert Watched(a_status(RunState.COMPLETED)).decide(at(1)).forget


def test_finished_objects_stay_for_their_time_to_live_and_are_then_cleaned_up() -> None:
    run = Watched(a_status(RunState.COMPLETED, ttl_after_finish_s=60.0)).sees(succeeded(), at(0))

    early, late = run.decide(at(59)), run.decide(at(60))

    assert early.commands == ()
    assert early.wake_at == at(60)
    assert [each.cause for each in commands(late) if isinstance(each, CleanUpObjects)] == [
        CleanUpCause.TTL
    ]


def test_objects_without_a_time_to_live_stay() -> None:
    run = Watched(a_status(RunState.COMPLETED, ttl_after_finish_s=None)).sees(succeeded(), at(0))

    decision = run.decide(at(1e6))

    assert (decision.commands, decision.forget) == ((), False)


def test_a_late_object_is_cleaned_up_at_once_and_asked_for_again_after_five_seconds() -> None:
    run = Watched(a_status(RunState.ABORTED)).sees(ours(a_pod()), at(100))

    first = run.decide(at(100))
    run.tracked.clean_up_asked["uid-1"] = at(100)
    second, third = run.decide(at(104)), run.decide(at(105))

    assert [each.cause for each in commands(first) if isinstance(each, CleanUpObjects)] == [
        CleanUpCause.LATE
    ]
    assert (second.commands, second.wake_at) == ((), at(105))
    assert len(third.commands) == 1


def test_a_live_object_of_an_earlier_attempt_is_late() -> None:
    run = Watched(a_status(RunState.RUNNING, attempt=2))
    run.sees(ours(a_bound_pod(), 2).running(), at(70)).sees(
        ours(a_bound_pod(), 1).running(), at(71)
    )

    sent = commands(run.decide(at(71)))

    assert [
        (each.cause, each.objects[0].uid) for each in sent if isinstance(each, CleanUpObjects)
    ] == [(CleanUpCause.LATE, "uid-1")]


def test_an_ended_object_of_an_earlier_attempt_stays_while_the_run_lives() -> None:
    run = Watched(a_status(RunState.RUNNING, attempt=2))
    run.sees(ours(a_bound_pod(), 2).running(), at(70)).sees(failed(), at(71))

    assert run.decide(at(71)).commands == ()


def named(pod: PodBuilder, uid: str, number: int) -> PodBuilder:
    """Return the pod as another object of the same name."""
    document = version(pod, number).document()
    document["metadata"]["uid"] = uid
    return PodBuilder(document)


def test_a_pod_that_a_list_was_too_old_to_show_is_found_again() -> None:
    running = ours(a_bound_pod()).running()
    run = Watched(a_status(RunState.RUNNING)).sees(version(running, 20), at(70)).missing()

    run.sees(version(running, 20), at(80))

    decision = run.decide(at(80))
    assert (decision.publish, decision.look) == (None, None)


def test_a_pod_replaced_under_its_name_is_the_attempts_pod_from_then_on() -> None:
    running = ours(a_bound_pod()).running()
    run = Watched(a_status(RunState.RUNNING, thresholds=limits(running=60)))
    run.sees(named(running, "first", 10), at(1)).sees_gone(named(running, "first", 11), at(5))

    run.sees(named(running, "second", 12), at(5.1))

    quiet = run.decide(at(6))
    overdue = run.decide(at(61))
    assert (quiet.publish, quiet.look, quiet.wake_at) == (None, None, at(60))
    assert overdue.look is not None


def test_a_question_that_finds_another_pod_under_the_name_settles_which_is_there() -> None:
    running = ours(a_bound_pod()).running()
    run = Watched(a_status(RunState.RUNNING)).sees(named(running, "first", 10), at(1)).missing()

    run.tracked.take_name(pod_name(), "second", at(5))
    run.sees(named(running, "second", 12), at(5))

    current = run.known().current
    assert current is not None
    assert (current.uid, current.gone) == ("second", False)


def test_a_final_run_is_forgotten_once_a_list_does_not_show_its_pod() -> None:
    run = Watched(a_status(RunState.COMPLETED)).sees(succeeded(), at(0))

    assert not run.decide(at(1)).forget
    assert run.missing().decide(at(1)).forget


def test_a_launched_run_whose_deadline_was_changed_is_still_launched_after_a_restart() -> None:
    status = a_status(RunState.ADMITTED, pods=(PodRef(name=pod_name()),))
    run = Watched(status, event_type="deadline_changed")

    assert run.decide(at(3)).look is not None


def test_a_pod_outside_the_namespaces_watched_is_asked_for_by_name_now_and_again() -> None:
    run = Watched(a_status(RunState.RUNNING)).sees(ours(a_bound_pod()).running(), at(70))
    run.watched = False

    asked = run.decide(at(71))
    waiting = run.confirmed(at(71)).decide(at(72))

    assert asked.look is not None
    assert (waiting.look, waiting.wake_at) == (None, at(76))
