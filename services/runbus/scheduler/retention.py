"""PURE: how long a run that is over stays on the bus."""

from __future__ import annotations

from datetime import datetime, timedelta

from runbus.contracts.states import EventType
from runbus.contracts.status import RunStatus

# An idempotency key must mean the same run for as long as this (states, invariant 5).
IDEMPOTENCY_HORIZON_DAYS = 7.0
RETENTION_DAYS = 14.0
# After its ttl a pod has to be deleted by somebody who still knows the run.
AFTER_TTL = timedelta(days=1)

# The types that can carry a final state; of one that does not, the run goes on.
FINAL_TYPES = (
    EventType.COMPLETED,
    EventType.ATTEMPT_FAILED,
    EventType.LAUNCH_FAILED,
    EventType.ABORTED,
    EventType.REJECTED,
)


def keep_until(status: RunStatus, retention_days: float) -> datetime | None:
    """Return when a run may be forgotten; None while it is not over."""
    if not status.state.is_final:
        return None
    by_retention = status.since + timedelta(days=retention_days)
    if status.ttl_after_finish_s is None:
        return by_retention
    by_ttl = status.since + timedelta(seconds=status.ttl_after_finish_s) + AFTER_TTL
    return max(by_retention, by_ttl)
