"""Exit codes and what is told beside them."""

from __future__ import annotations

import pytest

from runbus.cli.exits import Exit, exit_of, worst
from runbus.cli.problems import CliError, problem_of
from runbus.cli.timeouts import timeout_of
from runbus.contracts.states import RunState
from runbus.sdk.client import NotProvisionedError
from runbus.sdk.errors import BusRefusedError, BusTimeoutError, BusUnreachableError
from runbus.sdk.provision import ProvisionError
from runbus.sdk.runs import AmbiguousRunError, RunNotFoundError, RunRecord
from runbus.sdk.submissions import UnusableDocumentError
from support.runs import a_status


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (RunState.COMPLETED, 0),
        (RunState.ERROR, 1),
        (RunState.REJECTED, 3),
        (RunState.ABORTED, 5),
        (RunState.UNKNOWN, 1),
    ],
)
def test_the_fate_of_a_run_is_the_exit_code(state: RunState, code: int) -> None:
    assert exit_of(state) == code


@pytest.mark.parametrize(
    ("fates", "expected"),
    [
        ([], Exit.DONE),
        ([Exit.DONE, Exit.DONE], Exit.DONE),
        ([Exit.DONE, Exit.REFUSED], Exit.REFUSED),
        ([Exit.ABORTED, Exit.REFUSED], Exit.ABORTED),
        ([Exit.ABORTED, Exit.RUN_ERROR, Exit.DONE], Exit.RUN_ERROR),
    ],
)
def test_several_runs_answer_with_the_worst_fate(fates: list[Exit], expected: Exit) -> None:
    assert worst(fates) is expected


RECORD = RunRecord(status=a_status(RunState.RUNNING), event_type="running", sequence=1)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CliError("x"), 2),
        (CliError("x", code=Exit.DETACHED), 130),
        (RunNotFoundError("no run fits 'x'"), 4),
        (AmbiguousRunError("2 runs fit 'x'", (RECORD,)), 4),
        (UnusableDocumentError("no project"), 3),
        (NotProvisionedError("no stream"), 6),
        (ProvisionError("too old"), 6),
        (BusTimeoutError("late"), 6),
        (BusUnreachableError("gone"), 6),
        (BusRefusedError("no"), 6),
        (FileNotFoundError(2, "No such file or directory", "x.yaml"), 2),
        (ExceptionGroup("several", [ValueError("?"), BusTimeoutError("late")]), 6),
    ],
)
def test_every_error_that_can_be_foreseen_has_a_code(error: Exception, code: int) -> None:
    problem = problem_of(error)
    assert problem is not None
    assert problem.code == code


def test_a_mistake_of_our_own_is_no_problem_of_the_user() -> None:
    assert problem_of(ValueError("?")) is None
    assert problem_of(ExceptionGroup("several", [ValueError("?")])) is None


def test_an_ambiguous_name_lists_what_it_could_be() -> None:
    problem = problem_of(AmbiguousRunError("2 runs fit 'x'", (RECORD,)))
    assert problem is not None
    assert "nlp/abcdefghij23  train  running" in problem.why


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, None), ("90", 90.0), ("30s", 30.0), ("1h 5m", 3900.0)]
)
def test_a_timeout_is_seconds_or_a_duration(text: str | None, seconds: float | None) -> None:
    assert timeout_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5", "soon", "1h30", "nan", "5 parsecs"])
def test_a_timeout_that_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(CliError) as raised:
        timeout_of(text)
    assert raised.value.code is Exit.USAGE
    assert "such as 30s" in raised.value.way_out
