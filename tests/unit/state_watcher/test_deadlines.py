"""Limits: when they are judged, on which knowledge, and what is asked of the aborter."""

from __future__ import annotations

from runbus.contracts.commands import AbortRun
from runbus.contracts.states import RunState, Threshold
from support.pods import a_bound_pod, a_pod
from support.runs import a_status, at, limits, replace
from support.watching import Watched, commands, ours


def stuck() -> Watched:
    """Return a run whose image cannot be pulled since 10 s, with a limit of 60 s."""
    status = a_status(
        RunState.IMAGE_PULL_BACKOFF,
        since=at(10),
        reason="ErrImagePull",
        container="main",
        status_text="cannot pull x:1: not found",
        thresholds=limits(image_pull_backoff=60),
    )
    return Watched(status).sees(ours(a_bound_pod()).waiting("ErrImagePull", "not found"), at(10))


def test_before_the_deadline_the_run_is_only_to_be_looked_at_then() -> None:
    decision = stuck().decide(at(69.9))

    assert (decision.commands, decision.look) == ((), None)
    assert decision.wake_at == at(70)


def test_after_the_deadline_the_pod_is_asked_for_first() -> None:
    decision = stuck().decide(at(70))

    assert decision.commands == ()
    assert decision.look is not None


def test_a_view_from_before_the_deadline_confirms_nothing() -> None:
    assert stuck().confirmed(at(69.9)).decide(at(70.1)).look is not None


def test_on_a_confirmed_view_the_abort_is_asked_for_with_all_its_fences() -> None:
    decision = stuck().confirmed(at(70)).decide(at(70.02))

    assert commands(decision) == [
        AbortRun(
            by="threshold",
            by_user=False,
            reason="ThresholdExceeded",
            message="cannot pull x:1: not found",
            attempt=1,
            if_sequence=7,
            state=RunState.IMAGE_PULL_BACKOFF,
            threshold=Threshold.IMAGE_PULL_BACKOFF,
            since=at(10),
            limit_s=60.0,
            overdue_ms=20,
            requested_at=at(70.02),
        )
    ]


def test_a_fired_timer_stays_armed_and_is_judged_on_a_new_view_after_five_seconds() -> None:
    run = stuck().confirmed(at(70))
    run.tracked.abort_asked_at = at(70)

    quiet, again = run.decide(at(74)), run.decide(at(75))

    assert (quiet.commands, quiet.wake_at) == ((), at(75))
    assert again.look is not None
    assert len(run.confirmed(at(75)).decide(at(75.1)).commands) == 1


def test_a_fired_timer_is_judged_again_on_reconnect_and_on_a_view_newer_than_that() -> None:
    run = stuck().confirmed(at(70))
    run.tracked.abort_asked_at = at(70)
    run.reconnected_at = at(72)

    asked, sent = run.decide(at(72.1)), run.confirmed(at(72.1)).decide(at(72.2))

    assert asked.look is not None
    assert (len(sent.commands), sent.wake_at) == (1, at(77.2))


def test_a_reconnect_before_the_abort_was_asked_for_is_no_reason_to_ask_again() -> None:
    run = stuck().confirmed(at(70))
    run.tracked.abort_asked_at = at(70)
    run.reconnected_at = at(69)

    decision = run.decide(at(71))

    assert (decision.commands, decision.look, decision.wake_at) == ((), None, at(75))


def test_a_state_that_was_left_is_stored_instead_of_an_abort() -> None:
    run = stuck().confirmed(at(71))
    pod = ours(a_bound_pod()).running().document()
    pod["metadata"]["resourceVersion"] = "9"
    run.sees(type(ours(a_pod()))(pod), at(71))

    decision = run.decide(at(71))

    assert decision.commands == ()
    assert decision.publish is not None
    assert decision.publish.event.status.state is RunState.RUNNING


def test_nothing_is_judged_while_the_api_server_does_not_answer() -> None:
    run = stuck()
    run.reachable = False

    decision = run.decide(at(100))

    assert (decision.commands, decision.look) == ((), None)
    assert decision.wake_at == at(105)


def test_a_run_without_objects_needs_no_api_server() -> None:
    run = Watched(a_status(RunState.QUEUED, since=at(5), thresholds=limits(queued=60)))
    run.reachable = False

    sent = commands(run.decide(at(65)))

    assert [(each.state, each.limit_s) for each in sent if isinstance(each, AbortRun)] == [
        (RunState.QUEUED, 60.0)
    ]


def test_a_state_without_a_limit_never_passes_one() -> None:
    run = Watched(a_status(RunState.PENDING_NOT_SCHEDULED, thresholds=limits(running=60)))
    run.sees(ours(a_pod()), at(0))

    decision = run.decide(at(1e7))

    assert (decision.commands, decision.wake_at) == ((), None)


def test_what_can_never_be_pulled_is_aborted_at_once() -> None:
    status = a_status(
        RunState.IMAGE_PULL_BACKOFF, since=at(10), reason="InvalidImageName", container="main"
    )
    run = Watched(status).sees(ours(a_bound_pod()).waiting("InvalidImageName"), at(10))

    sent = commands(run.confirmed(at(10)).decide(at(10.1)))

    assert [each.reason for each in sent if isinstance(each, AbortRun)] == ["ImageNeverPullable"]


def test_an_operator_can_have_it_wait_like_any_other_image() -> None:
    status = a_status(RunState.IMAGE_PULL_BACKOFF, reason="InvalidImageName", container="main")
    run = Watched(status).sees(ours(a_bound_pod()).waiting("InvalidImageName"), at(10))
    run.rules = type(run.rules)(abort_never_pullable=False)

    assert run.confirmed(at(11)).decide(at(12)).commands == ()


def test_the_limit_on_the_whole_run_counts_from_acceptance() -> None:
    status = a_status(RunState.RUNNING, since=at(500), thresholds=limits(total=600))
    run = Watched(status).sees(ours(a_bound_pod()).running(), at(500)).confirmed(at(600))

    sent = commands(run.decide(at(600)))

    aborts = [each for each in sent if isinstance(each, AbortRun)]
    assert [(each.threshold, each.since) for each in aborts] == [(Threshold.TOTAL, at(0))]


def test_a_fired_timer_is_judged_again_on_each_event_of_the_run() -> None:
    run = stuck().confirmed(at(70))
    run.tracked.abort_asked_at = at(70)
    status = run.known().status

    run.event(replace(status, message="told anew"), 8)

    (sent,) = commands(run.decide(at(70.1)))
    assert isinstance(sent, AbortRun)
    assert sent.if_sequence == 8


def gained(limit_s: float = 60) -> Watched:
    """Return a running run of a shard that was just gained: its first list is not in yet."""
    run = Watched(a_status(RunState.RUNNING, since=at(10), thresholds=limits(running=limit_s)))
    run.synced = False
    return run


def test_before_the_first_list_a_run_is_left_alone_until_its_deadline() -> None:
    decision = gained().decide(at(69.9))

    assert (decision.commands, decision.look, decision.publish) == ((), None, None)
    assert decision.wake_at == at(70)


def test_before_the_first_list_the_pod_of_an_overdue_run_is_asked_for_by_name() -> None:
    decision = gained().decide(at(70))

    assert decision.look is not None
    assert decision.commands == ()


def test_before_the_first_list_an_overdue_run_is_aborted_on_the_answer() -> None:
    decision = gained().found(ours(a_bound_pod().running()), at(71)).decide(at(71))

    assert [type(each) for each in commands(decision)] == [AbortRun]


def test_before_the_first_list_a_state_that_was_left_is_stored_instead() -> None:
    run = Watched(
        a_status(RunState.PENDING_SCHEDULED, since=at(10), thresholds=limits(pending_scheduled=60))
    )
    run.synced = False
    decision = run.found(ours(a_bound_pod().running()), at(71)).decide(at(71))

    assert commands(decision) == []
    assert decision.publish is not None
    assert decision.publish.event.status.state is RunState.RUNNING


def test_before_the_first_list_an_overdue_run_without_its_pod_waits_for_the_list() -> None:
    decision = gained().absent(at(71)).decide(at(75))

    assert (decision.commands, decision.publish, decision.look) == ((), None, None)


def test_before_the_first_list_an_end_waits_for_the_list() -> None:
    decision = (
        gained().found(ours(a_bound_pod().terminated(0).phase("Succeeded")), at(71)).decide(at(71))
    )

    assert (decision.commands, decision.publish) == ((), None)
