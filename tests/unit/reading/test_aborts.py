"""The sentence about an abort."""

from __future__ import annotations

import pytest

from runbus.contracts.states import RunState, Threshold
from runbus.contracts.status import AbortCause
from runbus.reading.aborts import abort_text


@pytest.mark.parametrize(
    ("threshold", "told"),
    [
        (Threshold.RUNNING, "aborted after 10s in running: stuck"),
        (None, "aborted after 10s in running: stuck"),  # stored before causes named their limit
        (Threshold.TOTAL, "aborted after 10s in total (in running): stuck"),
    ],
)
def test_an_abort_says_which_limit_was_passed(threshold: Threshold | None, told: str) -> None:
    cause = AbortCause(
        by="threshold",
        message="stuck",
        state=RunState.RUNNING,
        threshold=threshold,
        limit_s=10.0,
    )

    assert abort_text(cause) == told
