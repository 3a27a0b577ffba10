"""Under an abort: own ends, waiting for objects to go, reminders, aborted, retried."""

from __future__ import annotations

import pytest

from runbus.contracts.commands import CleanUpCause, CleanUpObjects
from runbus.contracts.states import RunState
from runbus.contracts.status import AbortCause, RunStatus
from support.pods import a_bound_pod
from support.runs import a_policy, a_status, at, limits
from support.watching import Watched, commands, ours, published, version


def aborting(state: RunState, *, by_user: bool = False, **more: object) -> RunStatus:
    cause = AbortCause(
        by="ada" if by_user else "threshold",
        by_user=by_user,
        reason="AbortedByUser" if by_user else "ThresholdExceeded",
        message="enough" if by_user else "cannot pull x:1: not found",
        state=state,
        since=at(0),
        limit_s=None if by_user else 3600.0,
    )
    return a_status(RunState.ABORTING, since=at(100), abort=cause, **more)


def test_a_run_that_never_had_objects_is_aborted_at_once() -> None:
    for state in (RunState.ACCEPTED, RunState.QUEUED, RunState.RETRYING):
        stored = published(Watched(aborting(state, by_user=True)).decide(at(100)))

        assert stored is not None
        assert stored[0] == "aborted"
        assert stored[1].status_text == "aborted by ada: enough"


def test_while_an_object_is_left_the_run_stays_aborting() -> None:
    run = Watched(aborting(RunState.IMAGE_PULL_BACKOFF))
    run.sees(ours(a_bound_pod()).waiting("ErrImagePull"), at(90))

    assert run.decide(at(101)).publish is None


def test_the_aborter_is_reminded_of_an_object_that_nobody_deletes() -> None:
    run = Watched(aborting(RunState.IMAGE_PULL_BACKOFF))
    run.sees(ours(a_bound_pod()).waiting("ErrImagePull"), at(90))

    early, late = run.decide(at(101)), run.decide(at(102))

    assert (early.commands, early.wake_at) == ((), at(102))
    assert [each.cause for each in commands(late) if isinstance(each, CleanUpObjects)] == [
        CleanUpCause.ABORTING
    ]


def test_a_pod_past_its_grace_brings_a_reminder() -> None:
    run = Watched(aborting(RunState.RUNNING))
    run.sees(ours(a_bound_pod()).running().deleting(asked_at="10:01:41", grace_s=30), at(101))

    waiting, late = run.decide(at(131)), run.decide(at(132))

    assert (waiting.commands, waiting.wake_at) == ((), at(132))
    assert len(late.commands) == 1


def test_when_the_object_is_gone_the_run_is_aborted_and_says_why() -> None:
    run = Watched(aborting(RunState.IMAGE_PULL_BACKOFF))
    pod = ours(a_bound_pod()).waiting("ErrImagePull")
    run.sees(pod, at(90)).sees_gone(version(pod.deleting(asked_at="10:01:40"), 30), at(101))

    stored = published(run.decide(at(101)))

    assert stored is not None
    assert stored[0] == "aborted"
    assert stored[1].status_text == (
        "aborted after 1h in image_pull_backoff: cannot pull x:1: not found"
    )


def test_a_policy_that_names_the_state_leads_to_another_attempt() -> None:
    status = aborting(RunState.IMAGE_PULL_BACKOFF, retry=a_policy(1, "image_pull_backoff"))
    run = Watched(status)
    pod = ours(a_bound_pod()).waiting("ErrImagePull")
    run.sees(pod, at(90)).sees_gone(version(pod.deleting(asked_at="10:01:40"), 30), at(101))

    stored = published(run.decide(at(101)))

    assert stored is not None
    assert stored[0] == "attempt_failed"
    assert stored[1].state is RunState.RETRYING


def test_an_abort_of_a_run_that_waited_is_never_retried() -> None:
    for state in (RunState.QUEUED, RunState.RETRYING):
        status = aborting(state, retry=a_policy(5, "user", state.value))

        stored = published(Watched(status).decide(at(101)))

        assert stored is not None
        assert stored[1].state is RunState.ABORTED


def test_an_abort_after_the_limit_on_the_whole_run_is_never_retried() -> None:
    status = aborting(
        RunState.RUNNING, retry=a_policy(5, "user"), thresholds=limits(total=100.0, running=3600.0)
    )
    run = Watched(status)
    run.sees_gone(ours(a_bound_pod()).running().deleting(asked_at="10:01:40"), at(131))

    stored = published(run.decide(at(131)))

    assert stored is not None
    assert stored[1].state is RunState.ABORTED


def test_a_users_abort_is_never_retried() -> None:
    status = aborting(RunState.RUNNING, by_user=True, retry=a_policy(5, "user", "running"))
    run = Watched(status)
    run.sees_gone(ours(a_bound_pod()).running().deleting(asked_at="10:01:40"), at(131))

    stored = published(run.decide(at(131)))

    assert stored is not None
    assert stored[1].state is RunState.ABORTED


def test_a_program_that_ended_before_the_delete_has_its_own_end() -> None:
    run = Watched(aborting(RunState.RUNNING))
    pod = ours(a_bound_pod()).terminated(0, finished="10:01:39").phase("Succeeded")
    run.sees(pod.deleting(asked_at="10:01:41"), at(101))

    stored = published(run.decide(at(101)))

    assert stored is not None
    assert stored[0] == "completed"


def test_a_program_that_exits_0_on_our_sigterm_was_aborted() -> None:
    run = Watched(aborting(RunState.RUNNING))
    pod = ours(a_bound_pod()).terminated(0, finished="10:01:41").phase("Succeeded")
    run.sees(pod.deleting(asked_at="10:01:41"), at(101))

    assert run.decide(at(102)).publish is None
    stored = published(
        run.sees_gone(version(pod.deleting(asked_at="10:01:41"), 31), at(103)).decide(at(103))
    )
    assert stored is not None
    assert stored[0] == "aborted"


def test_an_abort_while_the_launcher_creates_waits_for_its_create_deadline() -> None:
    run = Watched(aborting(RunState.ADMITTED, by_user=True))

    assert run.decide(at(100)).wake_at == at(112)
    assert run.absent(at(105)).decide(at(111)).publish is None
    assert run.decide(at(112)).look is not None
    stored = published(run.absent(at(112)).decide(at(112.1)))
    assert stored is not None
    assert stored[0] == "aborted"


def test_after_a_restart_an_abort_is_done_only_when_the_pod_is_not_there_by_name() -> None:
    run = Watched(aborting(RunState.RUNNING))

    assert run.decide(at(101)).look is not None
    assert run.absent(at(101)).decide(at(101)).publish is not None


def test_an_abort_is_not_done_while_the_api_server_does_not_answer() -> None:
    run = Watched(aborting(RunState.RUNNING))
    run.reachable = False

    assert run.decide(at(101)).publish is None


def test_a_pod_forced_away_from_a_silent_node_says_so_and_is_not_retried() -> None:
    status = aborting(RunState.RUNNING, retry=a_policy(5, "running"))
    run = Watched(status)
    pod = ours(a_bound_pod()).running().deleting(asked_at="10:01:41", grace_s=0)
    run.sees_gone(pod, at(101 + 331))

    stored = published(run.decide(at(101 + 331)))

    assert stored is not None
    assert stored[1].state is RunState.ABORTED
    assert "may still run on node node-1" in stored[1].status_text


def test_a_pod_forced_away_from_a_ready_node_is_an_abort_like_any_other() -> None:
    run = Watched(aborting(RunState.RUNNING, retry=a_policy(5, "running")))
    pod = ours(a_bound_pod()).running().deleting(asked_at="10:01:41", grace_s=0)
    run.sees_gone(pod, at(133))

    stored = published(run.decide(at(133)))

    assert stored is not None
    assert stored[1].state is RunState.RETRYING


@pytest.mark.parametrize("grace_s", [30, 300, 3600])
def test_a_long_grace_that_was_used_up_on_a_ready_node_is_an_abort_like_any_other(
    grace_s: int,
) -> None:
    run = Watched(aborting(RunState.RUNNING, retry=a_policy(5, "running")))
    pod = ours(a_bound_pod()).running()
    run.sees(pod.deleting(asked_at="10:01:41", grace_s=grace_s), at(101))
    run.sees_gone(version(pod.deleting(asked_at="10:01:41", grace_s=0), 30), at(102.2 + grace_s))

    stored = published(run.decide(at(102.2 + grace_s)))

    assert stored is not None
    assert stored[1].state is RunState.RETRYING


def test_after_a_long_grace_a_silent_node_has_its_full_time() -> None:
    run = Watched(aborting(RunState.RUNNING, retry=a_policy(5, "running")))
    pod = ours(a_bound_pod()).running()
    run.sees(pod.deleting(asked_at="10:01:41", grace_s=600), at(101))
    run.sees_gone(version(pod.deleting(asked_at="10:01:41", grace_s=0), 30), at(1001.1))

    stored = published(run.decide(at(1001.1)))

    assert stored is not None
    assert stored[1].state is RunState.ABORTED
    assert "may still run on node node-1" in stored[1].status_text


def test_what_holds_up_a_pod_after_it_was_forced_away_does_not_count() -> None:
    run = Watched(aborting(RunState.RUNNING, retry=a_policy(5, "running")))
    pod = ours(a_bound_pod()).running()
    forced = pod.deleting(asked_at="10:01:41", grace_s=0)
    run.sees(pod.deleting(asked_at="10:01:41", grace_s=30), at(101))
    run.sees(version(forced, 30), at(132.2)).sees_gone(version(forced, 31), at(1000))

    stored = published(run.decide(at(1000)))

    assert stored is not None
    assert stored[1].state is RunState.RETRYING


def test_a_run_that_waited_for_its_next_attempt_is_aborted_beside_the_pod_of_its_last() -> None:
    status = aborting(RunState.RETRYING, by_user=True, retry=a_policy(5, "user"))
    pod = ours(a_bound_pod()).terminated(1, finished="10:00:30").phase("Failed")

    stored = published(Watched(status).sees(pod, at(31)).decide(at(100)))

    assert stored is not None
    assert stored[0] == "aborted"


def test_an_own_end_under_a_users_abort_is_not_retried() -> None:
    status = aborting(RunState.RUNNING, by_user=True, retry=a_policy(5, "user"))
    pod = ours(a_bound_pod()).terminated(1, finished="10:01:39").phase("Failed")

    stored = published(Watched(status).sees(pod, at(100)).decide(at(100)))

    assert stored is not None
    assert stored[1].state is RunState.ERROR


def test_a_pod_that_goes_unseen_was_aborted_and_did_not_end_by_itself() -> None:
    status = aborting(RunState.RUNNING, retry=a_policy(1, "infrastructure"))
    run = Watched(status).sees(ours(a_bound_pod()).running(), at(90)).missing()

    asked = run.decide(at(103))
    stored = published(run.absent(at(103)).decide(at(103)))

    assert asked.publish is None
    assert asked.look is not None
    assert stored is not None
    assert (stored[0], stored[1].reason) == ("aborted", "ThresholdExceeded")


def test_an_own_end_beside_a_sidecar_is_not_retried_before_the_pod_has_gone() -> None:
    status = aborting(RunState.RUNNING, retry=a_policy(1, "user"))
    pod = ours(a_bound_pod().with_container()).running(container="logger").terminated(1)
    run = Watched(status).sees(pod, at(90))

    waiting = run.decide(at(101))
    stored = published(run.sees_gone(version(pod, 30), at(103)).decide(at(103)))

    assert waiting.publish is None
    assert stored is not None
    assert stored[1].state is RunState.RETRYING


def test_a_pod_that_appears_under_an_abort_is_asked_for_at_once() -> None:
    run = Watched(aborting(RunState.ADMITTED, by_user=True))
    run.sees(ours(a_bound_pod()).running(), at(100.4))

    decision = run.decide(at(100.4))

    assert [type(each) for each in commands(decision)] == [CleanUpObjects]
