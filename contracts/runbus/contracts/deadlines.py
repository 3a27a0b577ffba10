"""Which limit of a run passes next: pure arithmetic over its status.

Every publisher puts the answer into the status, so that a subscriber can show the time left and
a new owner can arm its timer without knowing the rules. Source of the rules: ADR-0003.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from runbus.contracts.states import RunState, Threshold
from runbus.contracts.status import Limit, RunStatus

# The thresholds that count from the entry into the state of the same name.
_STATE_THRESHOLDS = {
    RunState.QUEUED: Threshold.QUEUED,
    RunState.HELD: Threshold.HELD,
    RunState.PENDING_NOT_SCHEDULED: Threshold.PENDING_NOT_SCHEDULED,
    RunState.PENDING_SCHEDULED: Threshold.PENDING_SCHEDULED,
    RunState.IMAGE_PULL_BACKOFF: Threshold.IMAGE_PULL_BACKOFF,
    RunState.RUNNING: Threshold.RUNNING,
}


def next_deadline(status: RunStatus) -> tuple[datetime, Threshold] | None:
    """Return the earliest limit of a live run and its key; None where nothing limits it."""
    if status.state.is_final or status.state is RunState.ABORTING:
        return None
    found: list[tuple[datetime, Threshold]] = []
    for key in (_STATE_THRESHOLDS.get(status.state), Threshold.TOTAL):
        if key is not None and clock_runs(status, key):
            _add(found, status, key, clock_start(status, key))
    return min(found, key=lambda pair: pair[0], default=None)


def with_deadline(status: RunStatus) -> RunStatus:
    """Return the status with `deadline` and `deadline_of` as its own fields demand."""
    found = next_deadline(status)
    if found is None:
        return msgspec.structs.replace(status, deadline=None, deadline_of=None)
    return msgspec.structs.replace(status, deadline=found[0], deadline_of=found[1].value)


def clock_runs(status: RunStatus, key: Threshold) -> bool:
    """Say whether the clock of a threshold has started, and its state has not been left."""
    if key is Threshold.TOTAL:
        return status.accepted_at is not None
    return _STATE_THRESHOLDS.get(status.state) is key


def is_total_over(status: RunStatus, now: datetime) -> bool:
    """Say whether the limit on the whole run has passed: no further attempt would outlive it."""
    found: list[tuple[datetime, Threshold]] = []
    if clock_runs(status, Threshold.TOTAL):
        _add(found, status, Threshold.TOTAL, clock_start(status, Threshold.TOTAL))
    return bool(found) and found[0][0] <= now


def state_threshold(state: RunState) -> Threshold | None:
    """Return the threshold that counts from the entry into a state; None where there is none."""
    return _STATE_THRESHOLDS.get(state)


def clock_start(status: RunStatus, key: Threshold) -> datetime:
    """Return when the clock of a threshold started: the whole run's, or the state's."""
    if key is Threshold.TOTAL and status.accepted_at is not None:
        return status.accepted_at
    return status.since


def whole_limit_s(limit: Limit, attempt: int) -> float:
    """Return how long a limit is in an attempt, in seconds: with all that extends it.

    What an autoscaler's new nodes were waited for counts in that attempt only (ADR-0025).
    """
    whole_s = (limit.limit_s or 0.0) + limit.extended_s
    if limit.scale_up is not None and limit.scale_up.attempt == attempt:
        whole_s += limit.scale_up.extended_s
    return whole_s


def _add(
    found: list[tuple[datetime, Threshold]], status: RunStatus, key: Threshold, start: datetime
) -> None:
    limit: Limit | None = status.thresholds.get(key.value)
    if limit is None or limit.limit_s is None or limit.paused_at is not None:
        return
    found.append((start + timedelta(seconds=whole_limit_s(limit, status.attempt)), key))
