"""What people write after `runbus deadline`, and what they are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from runbus.cli.deadline_arguments import change_of, threshold_of
from runbus.cli.deadlining import changed_text
from runbus.cli.moments import moment_of
from runbus.cli.problems import CliError
from runbus.contracts.commands import DeadlineAction
from runbus.contracts.states import RunState, Threshold
from runbus.contracts.status import Limit
from support.runs import T0, a_status, at

NOW = datetime(2026, 11, 25, 18, 0, 0, 500, tzinfo=timezone(timedelta(hours=2)))


def change(**given: Any) -> Any:
    nothing = {"extend": None, "at": None, "pause": False, "resume": False, "reason": ""}
    return change_of(**{**nothing, **given})


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("18:30", NOW.replace(hour=18, minute=30, second=0, microsecond=0)),
        ("17:30", NOW.replace(day=26, hour=17, minute=30, second=0, microsecond=0)),
        ("18:00:01", NOW.replace(second=1, microsecond=0)),
        ("2026-11-26T08:00", NOW.replace(day=26, hour=8, minute=0, microsecond=0)),
        ("2026-11-26T08:00:00Z", datetime(2026, 11, 26, 8, tzinfo=UTC)),
        ("+2h", NOW + timedelta(hours=2)),
        ("+ 90m", NOW + timedelta(minutes=90)),
    ],
)
def test_a_moment_is_a_time_of_day_a_date_or_a_time_from_now(text: str, moment: datetime) -> None:
    assert moment_of(text, NOW) == moment


@pytest.mark.parametrize("text", ["soon", "25:00", "+2", "+", "2026-13-01T00:00", ""])
def test_a_text_that_is_no_moment_is_refused_with_examples(text: str) -> None:
    with pytest.raises(CliError) as caught:
        moment_of(text, NOW)
    assert "18:30" in caught.value.way_out


@pytest.mark.parametrize(
    ("given", "action"),
    [
        ({"extend": "2h"}, DeadlineAction.EXTEND),
        ({"at": "2026-11-26T08:00:00Z"}, DeadlineAction.MOVE),
        ({"pause": True}, DeadlineAction.PAUSE),
        ({"resume": True}, DeadlineAction.RESUME),
    ],
)
def test_exactly_one_change_is_asked_for(given: dict[str, Any], action: DeadlineAction) -> None:
    assert change(**given).action is action


@pytest.mark.parametrize("given", [{}, {"pause": True, "resume": True}, {"extend": "2"}])
def test_none_or_several_changes_are_wrong_usage(given: dict[str, Any]) -> None:
    with pytest.raises(CliError) as caught:
        change(**given)
    assert caught.value.way_out


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        (None, None),
        ("running", Threshold.RUNNING),
        ("executing", Threshold.RUNNING),
        ("image-pull-backoff", Threshold.IMAGE_PULL_BACKOFF),
        ("total", Threshold.TOTAL),
    ],
)
def test_a_limit_is_named_by_its_state(text: str | None, threshold: Threshold | None) -> None:
    assert threshold_of(text) is threshold


def test_a_limit_that_does_not_exist_is_told_with_the_nearest() -> None:
    with pytest.raises(CliError) as caught:
        threshold_of("runing")
    assert "did you mean running?" in caught.value.way_out


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        (Limit(limit_s=60.0, extended_s=60.0), "running: 2m, until 2026-11-01 10:02:00Z (2m left)"),
        (Limit(limit_s=60.0, paused_at=at(5)), "its clock stands since 2026-11-01 10:00:05Z"),
        (Limit(limit_s=None), "running: no limit"),
    ],
)
def test_the_answer_says_what_holds_now(limit: Limit, told: str) -> None:
    status = a_status(RunState.RUNNING, thresholds={"running": limit})
    assert told in changed_text(status, Threshold.RUNNING, T0)
