"""What a moving view shows at a moment."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from rich.console import Console, RenderableType

from runbus.cli.demo.fates import FATES, is_met, summary
from runbus.cli.exits import Exit
from runbus.cli.live.board import until_all_over
from runbus.cli.live.view import BAR_CELLS, board, limit_bar, timeline
from runbus.cli.watching import noting_fates
from runbus.contracts.envelope import Envelope
from runbus.contracts.states import RunState
from runbus.contracts.status import AbortCause, Limit, RunStatus
from runbus.sdk.runs import EventRecord, RunRecord
from support.runs import T0, a_status, at, limits


def shown(view: RenderableType, width: int = 110) -> list[str]:
    """Return the lines of a view, without colours."""
    page = io.StringIO()
    Console(file=page, width=width, force_terminal=False).print(view)
    return [line.rstrip() for line in page.getvalue().splitlines()]


def a_record(status: RunStatus, sequence: int = 1) -> RunRecord:
    return RunRecord(status=status, event_type=status.state.value, sequence=sequence)


RUNNING = a_status(RunState.RUNNING, thresholds=limits(running=60.0))


@pytest.mark.parametrize(
    ("now", "full"), [(T0, 0), (at(30), BAR_CELLS // 2), (at(60), BAR_CELLS), (at(99), BAR_CELLS)]
)
def test_the_bar_shows_how_much_of_the_limit_is_used_up(now: datetime, full: int) -> None:
    bar = limit_bar(RUNNING, now)
    assert (bar.plain.count("━"), len(bar.plain)) == (full, BAR_CELLS)


@pytest.mark.parametrize(
    ("now", "colour"), [(at(10), "green"), (at(36), "yellow"), (at(51), "red")]
)
def test_the_bar_turns_yellow_and_red_as_the_limit_comes_closer(now: datetime, colour: str) -> None:
    assert str(limit_bar(RUNNING, now).spans[0].style) == colour


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (a_status(RunState.RUNNING), "no limit"),
        (a_status(RunState.RUNNING, thresholds=limits(running=None)), "no limit"),
        (
            a_status(
                RunState.RUNNING, thresholds={"running": Limit(limit_s=60.0, paused_at=at(5))}
            ),
            "paused",
        ),
        (a_status(RunState.RETRYING, not_before=at(30)), "backoff"),
        (a_status(RunState.ABORTING), ""),
        (a_status(RunState.COMPLETED), ""),
    ],
)
def test_where_no_limit_counts_words_stand_in_place_of_the_bar(
    status: RunStatus, told: str
) -> None:
    assert limit_bar(status, at(10)).plain == told


async def test_some_runs_are_shown_until_all_of_them_are_over() -> None:
    async def changes() -> AsyncIterator[list[RunRecord]]:
        yield [a_record(RUNNING), a_record(a_status(run_id="other2345678"))]
        yield [a_record(a_status(run_id="other2345678"))]
        yield [a_record(a_status(RunState.COMPLETED))]
        raise AssertionError("nothing is asked for after the end")

    shown = [each async for each in until_all_over(changes(), [("nlp", RUNNING.run_id)])]
    assert [record.status.state for batch in shown for record in batch] == [
        RunState.RUNNING,
        RunState.COMPLETED,
    ]


async def test_a_runs_fate_is_the_one_that_was_shown() -> None:
    async def changes() -> AsyncIterator[list[RunRecord]]:
        yield [a_record(RUNNING), a_record(a_status(RunState.ABORTED, run_id="other2345678"))]
        yield [a_record(a_status(RunState.COMPLETED))]

    fates: dict[tuple[str, str], Exit] = {}
    shown = [each async for each in noting_fates(changes(), fates)]

    assert len(shown) == 2
    assert fates == {
        ("nlp", "other2345678"): Exit.ABORTED,
        ("nlp", RUNNING.run_id): Exit.DONE,
    }


def test_the_board_shows_each_run_with_the_time_left() -> None:
    lines = shown(board([a_record(RUNNING)], at(20), rows_max=5))
    assert lines[0].split() == ["NAME", "RUN", "STATE", "FOR", "LIMIT", "LEFT", "WHY"]
    cells = lines[1].split()
    assert cells[:4] == ["train", "nlp/abcdefghij23", "running", "20s"]
    assert cells[5] == "40s"


def test_a_board_that_is_too_small_counts_what_it_hides() -> None:
    records = [a_record(RUNNING, number) for number in range(5)]
    assert shown(board(records, T0, rows_max=2))[-1] == "and 3 more"
    assert shown(board([], T0, rows_max=2)) == ["no runs yet"]


def an_event(status: RunStatus) -> EventRecord:
    return EventRecord(
        project="nlp",
        run_id=status.run_id,
        event_type=status.state.value,
        sequence=1,
        envelope=Envelope(id="x", type="t", source="s", time=T0),
        status=status,
        body=b"{}",
    )


def test_the_timeline_ends_with_where_the_run_stands_now() -> None:
    lines = shown(timeline([an_event(a_status()), an_event(RUNNING)], at(20), rows_max=5))
    assert [line.split()[1] for line in lines[:2]] == ["accepted", "running"]
    assert lines[2].startswith("running for 20s")
    assert lines[2].endswith("40s left (running)")


def test_a_long_timeline_shows_its_end() -> None:
    events = [an_event(a_status()) for _ in range(9)]
    assert len(shown(timeline(events, T0, rows_max=3))) == 4


def test_the_demo_asks_for_the_state_in_which_a_run_was_stuck() -> None:
    fate = next(each for each in FATES if each.name == "no-image")
    stuck = AbortCause(by="threshold", state=RunState.IMAGE_PULL_BACKOFF)
    elsewhere = AbortCause(by="threshold", state=RunState.RUNNING)
    assert is_met(fate, a_status(RunState.ABORTED, abort=stuck))
    assert not is_met(fate, a_status(RunState.ABORTED, abort=elsewhere))
    assert not is_met(fate, a_status(RunState.COMPLETED))
    assert not is_met(fate, None)


def test_the_summary_says_which_run_was_not_as_expected() -> None:
    lines = summary({"1-train.yaml": a_status(RunState.ERROR, reason="Error")}).splitlines()
    assert lines[1].split()[:3] == ["train", "error", "Error"]
    assert lines[1].endswith("no: completed was")
    assert len(lines) == 1 + len(FATES)
