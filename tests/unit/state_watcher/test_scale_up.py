"""A pod without a node, and an autoscaler: ten minutes more, once in an attempt, or the abort."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from runbus.contracts.commands import AbortRun
from runbus.contracts.events import RunDeadlineChanged
from runbus.contracts.states import RunState
from runbus.contracts.status import Limit, ScaleUp
from runbus.reading.autoscaler import AutoscalerWord
from runbus.state_watcher.model import AskEvents, Decision
from support.pods import a_pod
from support.runs import a_status, at, limits
from support.watching import Watched, commands, ours

ADDED = ScaleUp(attempt=1, extended_s=600.0)


def waiting(limit: Limit | None = None, *, attempt: int = 1) -> Watched:
    """Return a run without a node since 0 s, with a limit of 60 s, confirmed after it."""
    status = a_status(
        RunState.PENDING_NOT_SCHEDULED,
        attempt=attempt,
        reason="Unschedulable",
        status_text="no node has 4 GPUs",
        thresholds={"pending_not_scheduled": limit or Limit(limit_s=60.0)},
    )
    pod = ours(a_pod().unschedulable(), attempt)
    return Watched(status).sees(pod, at(0)).confirmed(at(100_000))


def told(run: Watched, reason: str, asked_at: float, message: str = "") -> Watched:
    run.tracked.autoscaler = AutoscalerWord(
        asked_at=at(asked_at),
        by="cluster-autoscaler" if reason else "",
        reason=reason,
        message=message,
    )
    return run


def aborts(decision: Decision) -> list[str]:
    return [each.message for each in commands(decision) if isinstance(each, AbortRun)]


def change(decision: Decision) -> RunDeadlineChanged:
    assert decision.publish is not None
    assert isinstance(decision.publish.event, RunDeadlineChanged)
    assert decision.commands == ()
    return decision.publish.event


def test_before_the_abort_the_pods_events_are_asked_for() -> None:
    decision = waiting().decide(at(60))

    assert decision.ask == AskEvents("nlp", "uid-1")
    assert (decision.commands, decision.publish) == ((), None)


def test_a_word_from_before_the_deadline_is_asked_for_again() -> None:
    assert told(waiting(), "TriggeredScaleUp", 59).decide(at(60)).ask is not None


def test_while_nodes_are_added_the_limit_is_ten_minutes_longer() -> None:
    event = change(told(waiting(), "TriggeredScaleUp", 60, "pool 1->2").decide(at(60.01)))

    assert event.status.thresholds["pending_not_scheduled"] == Limit(limit_s=60, scale_up=ADDED)
    assert (event.status.deadline, event.status.state) == (at(660), RunState.PENDING_NOT_SCHEDULED)
    assert (event.changed_by, event.action, event.threshold, event.command, event.why) == (
        "cluster-autoscaler",
        "extend",
        "pending_not_scheduled",
        None,
        "10m more while nodes are added; cluster-autoscaler: TriggeredScaleUp: pool 1->2",
    )


@pytest.mark.parametrize(
    ("reason", "message", "said"),
    [
        (
            "NotTriggerScaleUp",
            "max reached",
            "; cluster-autoscaler: NotTriggerScaleUp: max reached",
        ),
        ("ScaleDown", "", "; cluster-autoscaler: ScaleDown"),
        ("", "", ""),
    ],
)
def test_else_the_run_is_aborted_in_the_autoscalers_words(
    reason: str, message: str, said: str
) -> None:
    decision = told(waiting(), reason, 60, message).decide(at(60.01))

    assert aborts(decision) == [f"no node has 4 GPUs{said}"]


def test_the_limit_is_extended_once_in_an_attempt() -> None:
    run = told(waiting(Limit(limit_s=60.0, scale_up=ADDED)), "TriggeredScaleUp", 660)

    decision = run.decide(at(660.01))

    assert aborts(decision) == ["no node has 4 GPUs; cluster-autoscaler: TriggeredScaleUp"]
    assert [each.limit_s for each in commands(decision) if isinstance(each, AbortRun)] == [660.0]


def test_the_next_attempt_has_the_limit_asked_for_and_its_own_extension() -> None:
    limit = Limit(limit_s=60.0, scale_up=ADDED)
    run = told(waiting(limit, attempt=2), "TriggeredScaleUp", 60)

    event = change(run.decide(at(60.01)))

    added = ScaleUp(attempt=2, extended_s=600.0)
    assert event.status.thresholds["pending_not_scheduled"].scale_up == added
    assert event.status.deadline == at(660)


def test_what_a_person_added_stays_beside_it() -> None:
    run = told(waiting(Limit(limit_s=60.0, extended_s=30.0)), "TriggeredScaleUp", 90)

    assert change(run.decide(at(90))).status.deadline == at(690)


def test_the_extension_is_waited_out_before_anything_is_asked_again() -> None:
    decision = waiting(Limit(limit_s=60.0, scale_up=ADDED)).decide(at(600))

    assert (decision.ask, decision.wake_at) == (None, at(660))


def test_nothing_is_asked_on_a_view_from_before_the_deadline() -> None:
    decision = waiting().confirmed(at(59)).decide(at(60))

    assert decision.ask is None
    assert decision.look is not None


def test_an_abort_asked_for_is_judged_again_on_the_same_word() -> None:
    run = told(waiting(), "NotTriggerScaleUp", 60)
    run.tracked.abort_asked_at = at(60)

    decision = run.decide(at(65))

    assert decision.ask is None
    assert len(decision.commands) == 1


@pytest.mark.parametrize("key", ["total", "pending_scheduled", "image_pull_backoff"])
def test_no_other_limit_asks_for_events(key: str) -> None:
    run = waiting()
    status = run.known().status
    run.event(replace(status, thresholds=limits(**{key: 60.0})), 8)

    assert run.decide(at(61)).ask is None
