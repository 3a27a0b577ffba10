"""Which limit passes next: by state, pauses, extensions and the limit of the whole run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runbus.contracts.deadlines import clock_start, next_deadline, with_deadline
from runbus.contracts.states import FINAL_STATES, RunState, Threshold
from runbus.contracts.status import Limit, RunStatus

T0 = datetime(2026, 11, 1, 10, tzinfo=UTC)  # accepted
SINCE = T0 + timedelta(seconds=100)  # entered the state
EVERY_LIMIT = {key.value: Limit(limit_s=60.0) for key in Threshold if key is not Threshold.TOTAL}


def a_status(state: RunState, thresholds: dict[str, Limit]) -> RunStatus:
    """Return a run accepted at T0 that entered its state 100 s later."""
    return RunStatus(
        run_id="abcdefghij23",
        project="nlp",
        state=state,
        attempt=1,
        since=SINCE,
        accepted_at=T0,
        thresholds=thresholds,
    )


@pytest.mark.parametrize(
    ("state", "key"),
    [
        ("accepted", None),
        ("queued", "queued"),
        ("admitted", None),
        ("held", "held"),
        ("pending_not_scheduled", "pending_not_scheduled"),
        ("pending_scheduled", "pending_scheduled"),
        ("image_pull_backoff", "image_pull_backoff"),
        ("running", "running"),
        ("retrying", None),
        ("aborting", None),
        ("completed", None),
        ("error", None),
        ("aborted", None),
        ("rejected", None),
        ("unknown", None),
    ],
)
def test_each_state_has_its_own_limit_counted_from_its_entry(state: str, key: str | None) -> None:
    found = next_deadline(a_status(RunState(state), EVERY_LIMIT))
    expected = None if key is None else (SINCE + timedelta(seconds=60), Threshold(key))
    assert found == expected


@pytest.mark.parametrize(
    ("limits", "seconds", "key"),
    [
        pytest.param({}, None, None, id="no limits"),
        pytest.param({"running": Limit()}, None, None, id="infinite"),
        pytest.param({"held": Limit(limit_s=60.0)}, None, None, id="another state's"),
        pytest.param({"running": Limit(limit_s=0.5)}, 100.5, "running", id="a fraction"),
        pytest.param(
            {"running": Limit(limit_s=60.0, extended_s=600.0)}, 760, "running", id="extended"
        ),
        pytest.param(
            {"running": Limit(limit_s=60.0, paused_at=SINCE)}, None, None, id="its clock stands"
        ),
        pytest.param({"total": Limit(limit_s=300.0)}, 300, "total", id="the whole run's"),
        pytest.param(
            {"running": Limit(limit_s=60.0), "total": Limit(limit_s=120.0)},
            120,
            "total",
            id="the whole run's passes first",
        ),
        pytest.param(
            {"running": Limit(limit_s=60.0), "total": Limit(limit_s=500.0)},
            160,
            "running",
            id="the state's passes first",
        ),
        pytest.param(
            {"running": Limit(limit_s=60.0, paused_at=SINCE), "total": Limit(limit_s=500.0)},
            500,
            "total",
            id="the whole run's goes on while the state's stands",
        ),
        pytest.param(
            {"running": Limit(limit_s=60.0), "total": Limit(limit_s=160.0)},
            160,
            "running",
            id="both at once: the state's, which says more",
        ),
        pytest.param({"of_a_later_release": Limit(limit_s=1.0)}, None, None, id="an unknown key"),
    ],
)
def test_the_earliest_limit_of_a_running_run_counts(
    limits: dict[str, Limit], seconds: float | None, key: str | None
) -> None:
    found = next_deadline(a_status(RunState.RUNNING, limits))
    if seconds is None or key is None:
        assert found is None
    else:
        assert found == (T0 + timedelta(seconds=seconds), Threshold(key))


def test_the_whole_runs_limit_holds_in_every_state_that_can_still_be_aborted() -> None:
    limited = {
        state: next_deadline(a_status(state, {"total": Limit(limit_s=300.0)})) is not None
        for state in RunState
    }
    unlimited = {state for state, is_limited in limited.items() if not is_limited}
    assert unlimited == FINAL_STATES | {RunState.ABORTING}


def test_a_run_that_was_never_accepted_has_no_limit_as_a_whole() -> None:
    status = RunStatus(
        run_id="abcdefghij23",
        project="nlp",
        state=RunState.RUNNING,
        since=SINCE,
        thresholds={"total": Limit(limit_s=1.0)},
    )
    assert next_deadline(status) is None


def test_a_status_tells_its_deadline_and_whose_it_is() -> None:
    status = with_deadline(a_status(RunState.RUNNING, {"running": Limit(limit_s=60.0)}))
    assert (status.deadline, status.deadline_of) == (SINCE + timedelta(seconds=60), "running")


def test_a_status_forgets_the_deadline_of_a_state_that_was_left() -> None:
    running = with_deadline(a_status(RunState.RUNNING, {"running": Limit(limit_s=60.0)}))
    limits = running.thresholds
    ended = with_deadline(a_status(RunState.COMPLETED, limits))
    assert (ended.deadline, ended.deadline_of) == (None, None)


def test_the_clock_of_the_whole_run_starts_when_it_is_accepted_all_others_with_the_state() -> None:
    status = a_status(RunState.RUNNING, {})
    starts = {key: clock_start(status, key) for key in Threshold}
    assert starts.pop(Threshold.TOTAL) == T0
    assert set(starts.values()) == {SINCE}
