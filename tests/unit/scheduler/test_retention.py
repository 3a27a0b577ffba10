"""How long a run that is over stays on the bus."""

from __future__ import annotations

from datetime import timedelta

import pytest

from runbus.contracts.states import FINAL_STATES, RunState
from runbus.contracts.transitions import LIVE_STATES, TRANSITIONS
from runbus.runtime.config import ConfigError, load
from runbus.scheduler.config import SchedulerConfig
from runbus.scheduler.retention import FINAL_TYPES, keep_until
from support.runs import T0, a_status

DAY_S = 86_400.0


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_a_run_stays_for_the_retention_after_its_end(state: RunState) -> None:
    assert keep_until(a_status(state), 14) == T0 + timedelta(days=14)


@pytest.mark.parametrize("state", sorted(LIVE_STATES))
def test_a_run_that_is_not_over_stays(state: RunState) -> None:
    assert keep_until(a_status(state), 14) is None


def test_a_run_stays_as_long_as_its_objects_do_and_a_day_more() -> None:
    status = a_status(RunState.COMPLETED, ttl_after_finish_s=30 * DAY_S)

    assert keep_until(status, 14) == T0 + timedelta(days=31)


def test_objects_that_are_never_deleted_do_not_keep_a_run() -> None:
    status = a_status(RunState.COMPLETED, ttl_after_finish_s=None)

    assert keep_until(status, 14) == T0 + timedelta(days=14)


def test_the_sweep_looks_at_every_type_that_can_be_a_runs_last() -> None:
    ending = {row.event for row in TRANSITIONS if row.targets & FINAL_STATES}

    assert set(FINAL_TYPES) == ending


def test_a_retention_below_the_idempotency_horizon_is_refused() -> None:
    with pytest.raises(ConfigError, match="RUNBUS_RETENTION_DAYS='6'"):
        load(SchedulerConfig, {"RUNBUS_RETENTION_DAYS": "6"})
