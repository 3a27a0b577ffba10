"""Final statuses as errors that say why."""

from __future__ import annotations

import pytest

from runbus.contracts.states import RunState
from runbus.contracts.violations import Violation
from runbus.sdk import (
    RunAbortedError,
    RunFailedError,
    RunOutcomeError,
    RunRejectedError,
    RunTimeoutError,
)
from runbus.sdk.outcomes import outcome_error, timeout_error
from support.runs import a_status

VIOLATIONS = [
    Violation("/replicas", "wrong_type", "3", "a whole number", "write it without quotes"),
    Violation("/kind", "invalid_value", "jo", ["job", "spark"], "did you mean job?"),
]


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (RunState.ERROR, RunFailedError),
        (RunState.ABORTED, RunAbortedError),
        (RunState.REJECTED, RunRejectedError),
    ],
)
def test_each_end_has_an_error_of_its_own_that_carries_the_status(
    state: RunState, error: type[RunOutcomeError]
) -> None:
    status = a_status(state, status_text="aborted after 1h")
    found = outcome_error("nlp/r", status)
    assert type(found) is error
    assert (found.ref, found.status) == ("nlp/r", status)
    assert "nlp/r" in str(found)


def test_a_completed_run_has_no_error() -> None:
    assert outcome_error("nlp/r", a_status(RunState.COMPLETED)) is None


def test_a_rejection_can_be_read_violation_by_violation() -> None:
    assert str(RunRejectedError("nlp/r", None, VIOLATIONS)) == (
        "nlp/r was rejected:\n"
        "  /replicas: wrong type: '3'; allowed: a whole number (write it without quotes)\n"
        "  /kind: invalid value: 'jo'; allowed: job, spark (did you mean job?)"
    )


def test_a_timeout_is_a_timeout_to_everybody_and_says_how_the_run_stands() -> None:
    found = timeout_error("nlp/r", a_status(RunState.RUNNING), 2.5)
    assert isinstance(found, RunTimeoutError)
    assert isinstance(found, TimeoutError)
    assert str(found) == "nlp/r is not over after 2.5 s: running"
