"""Builders of runs: statuses, records and what the watcher knows of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from runbus.contracts.deadlines import with_deadline
from runbus.contracts.identity import object_name, shard_of
from runbus.contracts.states import RunState
from runbus.contracts.status import Limit, RetryPolicy, RunStatus
from runbus.runtime.runlog import RunRecord

T0 = datetime(2026, 11, 1, 10, 0, 0, tzinfo=UTC)
RUN_ID = "abcdefghij23"
PROJECT = "nlp"
NAME = "train"


def at(seconds: float) -> datetime:
    """Return the moment so many seconds after T0."""
    return T0 + timedelta(seconds=seconds)


def a_status(state: RunState = RunState.ACCEPTED, **fields: Any) -> RunStatus:
    """Return a run's status: accepted at T0, in its first attempt once it is admitted."""
    before = state in {RunState.ACCEPTED, RunState.QUEUED}
    values: dict[str, Any] = {
        "run_id": RUN_ID,
        "project": PROJECT,
        "name": NAME,
        "namespace": PROJECT,
        "shard": shard_of(fields.get("run_id", RUN_ID)),
        "state": state,
        "attempt": 0 if before else 1,
        "since": T0,
        "accepted_at": T0,
    } | fields
    return with_deadline(RunStatus(**values))


def limits(**seconds: float | None) -> dict[str, Limit]:
    """Return thresholds by key, in seconds."""
    return {key: Limit(limit_s=value) for key, value in seconds.items()}


def a_policy(limit: int = 1, *on: str) -> RetryPolicy:
    """Return a retry policy with 10 s of backoff."""
    return RetryPolicy(limit=limit, backoff_s=10.0, on=on or ("infrastructure",))


def a_record(status: RunStatus, sequence: int = 7, event_type: str = "") -> RunRecord:
    """Return a run's newest record."""
    return RunRecord(
        sequence=sequence,
        event_type=event_type or status.state.value,
        event_id=f"id-{sequence}",
        status=status,
    )


def pod_name(attempt: int = 1) -> str:
    """Return the name of the run's pod."""
    return object_name(NAME, RUN_ID, attempt)


__all__ = ["replace"]
