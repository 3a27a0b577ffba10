"""PURE: one round of admission on a snapshot.

1. Runs whose backoff has not passed wait in `retrying`. 2. The rest is put in order: priority
class, then age. 3. Each is held against the service's limit, then its project's. 4. A run that
fits is admitted and counted; one that does not says why, if that is news.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from runbus.contracts.deadlines import with_deadline
from runbus.contracts.states import Reason, RunState
from runbus.contracts.status import RunStatus
from runbus.scheduler.model import Limits, Plan, Refusal, Snapshot, Waiting

LOWEST_RANK = 1_000_000  # of a run without a priority class


def plan(snapshot: Snapshot, now: datetime) -> Plan:
    """Say which runs start now, and which wait for what."""
    ready, wake_at = _ready(snapshot.waiting, now)
    ready.sort(key=_order)
    in_flight = dict(snapshot.in_flight)
    total = sum(in_flight.values())
    admit: list[str] = []
    queue: list[Refusal] = []
    for waiting in ready:
        project = waiting.status.project
        refusal = _refusal(waiting, total, in_flight.get(project, 0), snapshot.limits)
        if refusal is None:
            admit.append(waiting.key)
            in_flight[project] = in_flight.get(project, 0) + 1
            total += 1
        elif _is_news(waiting.status, refusal):
            queue.append(refusal)
    return Plan(admit=tuple(admit), queue=tuple(queue), wake_at=wake_at)


def admitted(before: RunStatus, now: datetime) -> RunStatus:
    """Return the status of a run that is admitted: the next attempt, with nothing of the last."""
    status = replace(
        _fresh(before, RunState.ADMITTED, now),
        attempt=before.attempt + 1,
        admitted_at=now,
        status_text="admitted: its objects are being created",
    )
    return with_deadline(status)


def queued(before: RunStatus, refusal: Refusal, now: datetime) -> RunStatus:
    """Return the status of a run that waits. Its clock goes on where only the reason changes."""
    since = before.since if before.state is RunState.QUEUED else now
    status = replace(
        _fresh(before, RunState.QUEUED, since),
        reason=refusal.reason.value,
        message=refusal.message,
        status_text=f"queued: {refusal.message}",
    )
    return with_deadline(status)


def _fresh(before: RunStatus, state: RunState, since: datetime) -> RunStatus:
    return replace(
        before,
        state=state,
        since=since,
        reason="",
        message="",
        outcome_class=None,
        exit_code=None,
        container=None,
        roles={},
        pods=(),
        not_before=None,
        abort=None,
    )


def _ready(waiting: tuple[Waiting, ...], now: datetime) -> tuple[list[Waiting], datetime | None]:
    ready: list[Waiting] = []
    backoffs: list[datetime] = []
    for each in waiting:
        not_before = each.status.not_before
        if each.status.state is RunState.RETRYING and not_before is not None and not_before > now:
            backoffs.append(not_before)
        else:
            ready.append(each)
    return ready, min(backoffs, default=None)


def _order(waiting: Waiting) -> tuple[int, datetime, str]:
    """Order by priority class (highest first, none last), then age, then id to be stable."""
    status = waiting.status
    rank = status.priority_rank if status.priority_rank is not None else LOWEST_RANK
    return rank, status.accepted_at or status.since, waiting.key


def _refusal(waiting: Waiting, total: int, of_project: int, limits: Limits) -> Refusal | None:
    limit = limits.concurrent_runs
    if limit is not None and total >= limit:
        return Refusal(
            waiting.key, Reason.SERVICE_LIMIT_REACHED, f"concurrent runs {total}/{limit} in all"
        )
    project = waiting.status.project
    limit = limits.by_project.get(project)
    if limit is not None and of_project >= limit:
        return Refusal(
            waiting.key,
            Reason.QUOTA_EXCEEDED,
            f"concurrent runs {of_project}/{limit} in project {project}",
        )
    return None


def _is_news(status: RunStatus, refusal: Refusal) -> bool:
    return status.state is not RunState.QUEUED or status.reason != refusal.reason.value
