"""Runs that were never submitted: ids, statuses and pods that belong together, by number.

The stand-in makes the pods and the benchmark the events, each in its own process; both come from
here. It must not know the bus or HTTP.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from runbus.contracts.deadlines import with_deadline
from runbus.contracts.document import RunDocument
from runbus.contracts.identity import object_name, shard_of
from runbus.contracts.states import Kind, RunState, Threshold
from runbus.contracts.status import Limit, PodRef, RetryPolicy, RunStatus
from runbus.pod_launcher.manifest import render

PROJECT = "nlp"
NAME = "finetune"
STARTED_AT = datetime(2026, 11, 1, 10, 0, 0, tzinfo=UTC)
DAY_S = 86400.0
YEARS_S = 5 * 365 * DAY_S  # the largest limit is 10 years: nothing passes by itself


def run_id(prefix: str, number: int) -> str:
    """Return the id of a run: a letter or two, and its number."""
    return f"{prefix}{number:0{12 - len(prefix)}d}"


def document() -> RunDocument:
    """Return the effective document of every synthetic run."""
    return RunDocument(
        project=PROJECT,
        name=NAME,
        kind=Kind.JOB,
        image="registry.example.com/nlp/finetune:3",
        command="python",
        args=("-m", "nlp.finetune", "--epochs", "3"),
    )


def manifest_of(prefix: str, number: int) -> dict[str, Any]:
    """Return the pod of a synthetic run's first attempt, as the launcher makes it."""
    own_id = run_id(prefix, number)
    (pod,) = render(document(), run_id=own_id, attempt=1, shard=shard_of(own_id), namespace=PROJECT)
    return dict(pod)


def accepted(prefix: str, number: int, project: str = PROJECT) -> RunStatus:
    """Return the status of a run that was just accepted."""
    own_id = run_id(prefix, number)
    return RunStatus(
        run_id=own_id,
        project=project,
        name=NAME,
        user="data-team",
        shard=shard_of(own_id),
        namespace=project,
        state=RunState.ACCEPTED,
        since=STARTED_AT,
        accepted_at=STARTED_AT,
        thresholds={
            Threshold.PENDING_SCHEDULED.value: Limit(limit_s=3600.0),
            Threshold.PENDING_NOT_SCHEDULED.value: Limit(limit_s=3600.0),
            Threshold.IMAGE_PULL_BACKOFF.value: Limit(limit_s=3600.0),
            Threshold.RUNNING.value: Limit(limit_s=YEARS_S),
        },
        retry=RetryPolicy(limit=1),
    )


def in_attempt(before: RunStatus, state: RunState) -> RunStatus:
    """Return the status of a run whose first attempt is in a state."""
    name = object_name(NAME, before.run_id, 1)
    pod = PodRef(name=name, uid=f"uid-of-{name}", node="node-1")
    return with_deadline(
        replace(
            before,
            state=state,
            attempt=1,
            since=STARTED_AT + timedelta(seconds=1),
            admitted_at=STARTED_AT,
            status_text=state.value,
            roles={"main": {state.value: 1}},
            pods=(pod,),
        )
    )


def with_running_deadline(before: RunStatus, at: datetime) -> RunStatus:
    """Return a running run's status with its limit set so that it passes at a moment."""
    limit = Limit(limit_s=(at - before.since).total_seconds())
    thresholds = {**before.thresholds, Threshold.RUNNING.value: limit}
    return with_deadline(replace(before, thresholds=thresholds))
