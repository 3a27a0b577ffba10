"""What a deadline command does to the limits of a run."""

from __future__ import annotations

from typing import Any

import pytest

from runbus.contracts.commands import ChangeDeadline, DeadlineAction
from runbus.contracts.deadline_changes import DeadlineRefusal, change_deadline
from runbus.contracts.states import FINAL_STATES, RunState, Threshold
from runbus.contracts.status import Limit, RunStatus, ScaleUp
from support.runs import a_status, at, limits


def running(**fields: Any) -> RunStatus:
    """Return a run that has run since second 100, with an hour for it."""
    values: dict[str, Any] = {
        "state": RunState.RUNNING,
        "since": at(100),
        "thresholds": limits(running=3600),
    }
    return a_status(**(values | fields))


def asked(
    action: DeadlineAction, threshold: Threshold = Threshold.RUNNING, **fields: Any
) -> ChangeDeadline:
    return ChangeDeadline(threshold=threshold, action=action, **fields)


def changed(status: RunStatus, command: ChangeDeadline, now: float = 200) -> RunStatus:
    found = change_deadline(status, command, at(now))
    assert isinstance(found, RunStatus), found
    return found


def why(status: RunStatus, command: ChangeDeadline, now: float = 200) -> str:
    found = change_deadline(status, command, at(now))
    assert isinstance(found, DeadlineRefusal), found
    return found.why


def test_an_extension_moves_the_deadline_and_keeps_the_limit_as_it_was_given() -> None:
    after = changed(running(), asked(DeadlineAction.EXTEND, extend_s=7200))

    assert after.thresholds["running"] == Limit(limit_s=3600, extended_s=7200)
    assert (after.deadline, after.deadline_of) == (at(100 + 3600 + 7200), "running")


def test_extensions_add_up() -> None:
    once = changed(running(), asked(DeadlineAction.EXTEND, extend_s=60))
    twice = changed(once, asked(DeadlineAction.EXTEND, extend_s=60))

    assert twice.deadline == at(100 + 3600 + 120)


def test_the_limit_of_a_state_to_come_can_be_extended() -> None:
    after = changed(
        running(state=RunState.PENDING_SCHEDULED), asked(DeadlineAction.EXTEND, extend_s=60)
    )

    assert after.thresholds["running"].extended_s == 60
    assert after.deadline is None


def test_a_deadline_is_moved_to_a_moment_earlier_or_later() -> None:
    earlier = changed(running(), asked(DeadlineAction.MOVE, at=at(300)))
    later = changed(running(), asked(DeadlineAction.MOVE, at=at(9000)))

    assert (earlier.deadline, later.deadline) == (at(300), at(9000))


def test_moving_gives_a_limit_to_a_state_without_one() -> None:
    after = changed(running(thresholds={}), asked(DeadlineAction.MOVE, at=at(400)))

    assert after.thresholds["running"] == Limit(limit_s=300)
    assert after.deadline == at(400)


def test_the_deadline_of_the_whole_run_is_moved_in_any_state() -> None:
    after = changed(
        a_status(RunState.QUEUED), asked(DeadlineAction.MOVE, Threshold.TOTAL, at=at(500))
    )

    assert (after.deadline, after.deadline_of) == (at(500), "total")


def test_a_paused_clock_has_no_deadline_and_goes_on_where_it_stood() -> None:
    paused = changed(running(), asked(DeadlineAction.PAUSE), now=200)
    resumed = changed(paused, asked(DeadlineAction.RESUME), now=1200)

    assert paused.deadline is None
    assert resumed.thresholds["running"] == Limit(limit_s=3600, extended_s=1000)
    assert resumed.deadline == at(100 + 3600 + 1000)


def test_a_clock_paused_before_its_state_was_entered_stands_from_the_entry() -> None:
    paused = Limit(limit_s=3600, paused_at=at(50))

    resumed = changed(running(thresholds={"running": paused}), asked(DeadlineAction.RESUME))

    assert resumed.deadline == at(200 + 3600)


def test_a_clock_resumed_before_its_state_is_entered_has_lost_nothing() -> None:
    paused = Limit(limit_s=3600, paused_at=at(50))
    waiting = running(state=RunState.PENDING_SCHEDULED, thresholds={"running": paused})

    resumed = changed(waiting, asked(DeadlineAction.RESUME))

    assert resumed.thresholds["running"] == Limit(limit_s=3600)


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_a_run_that_is_over_has_no_deadline_to_change(state: RunState) -> None:
    found = why(running(state=state), asked(DeadlineAction.EXTEND, extend_s=60))

    assert found == f"the run is over: {state.value}"


PAUSED = {"running": Limit(limit_s=3600, paused_at=at(150))}


@pytest.mark.parametrize(
    ("status", "command", "expected"),
    [
        (running(state=RunState.ABORTING), asked(DeadlineAction.PAUSE), "being aborted"),
        (running(), asked(DeadlineAction.EXTEND), "at least 1 s"),
        (running(), asked(DeadlineAction.EXTEND, extend_s=-60), "at least 1 s"),
        (running(), asked(DeadlineAction.EXTEND, extend_s=1e12), "longer than"),
        (running(thresholds={}), asked(DeadlineAction.EXTEND, extend_s=60), "no limit to extend"),
        (running(), asked(DeadlineAction.MOVE), "is missing"),
        (running(), asked(DeadlineAction.MOVE, at=at(199)), "has passed; to end the run"),
        (running(), asked(DeadlineAction.MOVE, at=at(1e9)), "longer than"),
        (
            running(),
            asked(DeadlineAction.MOVE, Threshold.QUEUED, at=at(900)),
            "the clock of queued has not started",
        ),
        (
            running(thresholds=PAUSED),
            asked(DeadlineAction.MOVE, at=at(900)),
            "resume it first",
        ),
        (running(thresholds=PAUSED), asked(DeadlineAction.PAUSE), "stands already"),
        (running(thresholds={}), asked(DeadlineAction.PAUSE), "no clock to pause"),
        (running(), asked(DeadlineAction.RESUME), "is not paused"),
        (running(), asked(DeadlineAction.UNKNOWN), "there are extend, move, pause, resume"),
        (running(), asked(DeadlineAction.PAUSE, Threshold.UNKNOWN), "there are queued, held"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    status: RunStatus, command: ChangeDeadline, expected: str
) -> None:
    assert expected in why(status, command)


def test_a_moment_wins_over_what_an_autoscaler_added() -> None:
    limit = Limit(limit_s=3600, scale_up=ScaleUp(attempt=1, extended_s=600.0))

    after = changed(running(thresholds={"running": limit}), asked(DeadlineAction.MOVE, at=at(300)))

    assert after.deadline == at(300)
    assert after.thresholds["running"].scale_up == ScaleUp(attempt=1, extended_s=0.0)
