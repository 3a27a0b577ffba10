"""Tables, times, lines and pages: what people read."""

from __future__ import annotations

from datetime import timedelta

import pytest

from runbus.cli.output.describe import run_text
from runbus.cli.output.events import event_line
from runbus.cli.output.runs import in_order, run_data, runs_table, why_now_text, why_text
from runbus.cli.output.tables import table
from runbus.cli.output.times import since, span, until
from runbus.cli.output.violations import refusal, violation_lines
from runbus.contracts.envelope import Envelope
from runbus.contracts.evidence import ContainerEvidence, KubeEventEvidence, PodEvidence, RunEvidence
from runbus.contracts.states import OutcomeClass, RunState
from runbus.contracts.status import AbortCause, PodRef, RetryPolicy, RunStatus
from runbus.contracts.violations import Violation
from runbus.sdk.runs import EventRecord, RunRecord
from support.runs import T0, a_status, at, limits


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.9, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (200, "3m20s"),
        (3600, "1h"),
        (7500, "2h5m"),
        (7559, "2h5m"),
        (86400, "1d"),
        (273600, "3d4h"),
        (31536000, "365d"),
    ],
)
def test_a_span_has_at_most_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_a_moment_that_has_passed_is_due_and_none_is_a_dash() -> None:
    assert [until(at(5), T0), until(T0, T0), until(at(-5), T0), until(None, T0)] == [
        "5s",
        "due",
        "due",
        "-",
    ]
    assert [since(T0, at(90)), since(at(5), T0), since(None, T0)] == ["1m30s", "0s", "-"]


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table(("A", "LONG"), [("xxx", "y"), ("z", "two words")]) == (
        "A     LONG\nxxx   y\nz     two words\n"
    )


def test_a_table_without_headers_has_only_its_rows() -> None:
    assert table(("A", "B"), [("x", "y")], with_headers=False) == "x   y\n"
    assert table(("A", "B"), [], with_headers=False) == ""


def test_only_the_last_column_is_cut_and_a_line_break_never_breaks_a_row() -> None:
    shown = table(("A", "WHY"), [("x", "one\ntwo three four")], width=20)
    assert shown == "A   WHY\nx   one two three f…\n"
    assert max(len(line) for line in shown.splitlines()) == 20


def record(status: RunStatus, sequence: int = 7) -> RunRecord:
    """Return a run as the bucket has it."""
    return RunRecord(status=status, event_type=status.state.value, sequence=sequence)


RUNNING = a_status(
    RunState.RUNNING,
    thresholds=limits(running=60.0, total=None),
    pods=(PodRef(name="train-abcdefghij23-1", node="local"),),
    status_text="running",
    user="ada",
)


def test_a_run_stands_in_the_table_with_the_time_left() -> None:
    assert runs_table([record(RUNNING)], at(20)) == (
        "PROJECT   NAME    RUN            STATE     FOR   LEFT   WHY\n"
        "nlp       train   abcdefghij23   running   20s   40s    running\n"
    )


def test_the_wide_table_adds_limit_attempt_user_node_and_pod() -> None:
    line = runs_table([record(RUNNING)], at(20), is_wide=True, with_headers=False)
    assert line.split() == [
        "nlp", "train", "abcdefghij23", "running", "20s", "40s", "running",
        "1", "ada", "20s", "local", "train-abcdefghij23-1", "running",
    ]  # fmt: skip


def test_a_retrying_run_waits_for_its_next_attempt() -> None:
    retrying = a_status(RunState.RETRYING, not_before=at(30))
    assert "   30s   " in runs_table([record(retrying)], T0, with_headers=False)


def test_colours_stand_around_the_state_only() -> None:
    shown = runs_table([record(RUNNING)], at(20), with_headers=False, is_coloured=True)
    assert "\x1b[36mrunning\x1b[0m" in shown
    assert shown.count("\x1b[") == 2


def test_runs_that_are_not_over_come_first_and_then_the_newest() -> None:
    over, older, newer = (
        record(a_status(RunState.COMPLETED), 9),
        record(a_status(RunState.RUNNING), 3),
        record(a_status(RunState.QUEUED), 5),
    )
    assert in_order([over, older, newer]) == [newer, older, over]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (a_status(RunState.QUEUED, status_text="queued: 3/3 runs in nlp"), "3/3 runs in nlp"),
        (a_status(RunState.ERROR, reason="OOMKilled", message="too big"), "OOMKilled: too big"),
        (a_status(RunState.ERROR, reason="Error"), "Error"),
        (a_status(RunState.RUNNING), "-"),
    ],
)
def test_the_sentence_about_a_run_does_not_repeat_its_state(status: RunStatus, text: str) -> None:
    assert why_text(status) == text


@pytest.mark.parametrize(
    ("status", "is_told"),
    [
        (a_status(RunState.ADMITTED, since=at(-5)), False),
        (a_status(RunState.ADMITTED, since=at(-60)), True),
        (a_status(RunState.ADMITTED, since=at(-60), pods=(PodRef(name="p"),)), False),
        (a_status(RunState.QUEUED, since=at(-60)), False),
    ],
)
def test_a_run_of_which_nothing_is_created_for_long_says_so(
    status: RunStatus, is_told: bool
) -> None:
    assert ("nothing is created yet" in why_now_text(status, at(0))) is is_told


def test_a_run_as_data_is_its_status_and_the_event_behind_it() -> None:
    data = run_data(record(RUNNING))
    assert (data["run_id"], data["state"], data["event"], data["sequence"]) == (
        "abcdefghij23",
        "running",
        "running",
        7,
    )


def test_an_event_line_tells_time_state_why_and_the_limit_that_counts() -> None:
    event = EventRecord(
        project="nlp",
        run_id="abcdefghij23",
        event_type="running",
        sequence=3,
        envelope=Envelope(id="x", type="t", source="s", time=at(2.5)),
        status=RUNNING,
        body=b"{}",
    )
    assert event_line(event, with_run=False) == (
        "10:00:02.500  running                running [58s left: running]"
    )
    assert "train              nlp/abcdefghij23  running" in event_line(event)


def test_an_event_that_keeps_the_state_is_told_by_its_own_name() -> None:
    event = EventRecord(
        project="nlp",
        run_id="abcdefghij23",
        event_type="launched",
        sequence=3,
        envelope=Envelope(id="x", type="t", source="s", time=T0),
        status=a_status(RunState.ADMITTED, attempt=2),
        body=b"{}",
    )
    assert event_line(event, with_run=False) == "10:00:00.000  launched               attempt 2"


def test_the_page_of_an_aborted_run_tells_limit_lateness_and_last_words() -> None:
    status = a_status(
        RunState.ABORTED,
        status_text="aborted after 1h in image_pull_backoff: not found",
        reason="ThresholdExceeded",
        outcome_class=OutcomeClass.USER,
        retry=RetryPolicy(limit=2),
        thresholds=limits(image_pull_backoff=3600.0, queued=None),
        abort=AbortCause(
            by="threshold", state=RunState.IMAGE_PULL_BACKOFF, limit_s=3600.0, overdue_ms=12
        ),
    )
    evidence = RunEvidence(
        run_id=status.run_id,
        project="nlp",
        attempt=1,
        cause="aborting",
        collected_at=T0,
        pods=(
            PodEvidence(
                name="train-1",
                phase="Pending",
                node="local",
                containers=(ContainerEvidence(name="main", log_tail="a\nb\n"),),
            ),
        ),
        kube_events=(KubeEventEvidence(type="Warning", reason="Failed", message="no", count=3),),
    )
    page = run_text(record(status), [evidence], T0 + timedelta(hours=2)).splitlines()
    for line in (
        "Run:          nlp/abcdefghij23",
        "State:        aborted, for 2h",
        "Reason:       ThresholdExceeded (user)",
        "  image_pull_backoff   1h",
        "  queued               no limit",
        "Retries:      up to 2, on infrastructure",
        "Aborted by:   threshold",
        "              limit 1h in image_pull_backoff, decided 12 ms after it",
        "  pod train-1: Pending on local",
        "  Warning Failed: no (x3)",
        "    b",
    ):
        assert line in page


def test_a_violation_tells_place_code_given_allowed_and_hint() -> None:
    violation = Violation(
        path="/kind", code="not_allowed", given="jobb", allowed=["job"], hint="did you mean job?"
    )
    assert violation_lines([violation]) == [
        '  /kind: not allowed, given "jobb"',
        "    allowed: job",
        "    hint: did you mean job?",
    ]
    assert refusal("a.yaml", [violation]) == "a.yaml is refused, for 1 reason:"
