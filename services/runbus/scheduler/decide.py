"""PURE: one round of admission, and what is stored of it.

1. Runs whose backoff has passed join the others of their project. 2. Of all projects below their
limit the first run by priority class, then age, is admitted and counted, until the service's limit
is reached. 3. Every run that stays says why, if that is news. A round costs what it decides and a
little for each project with runs that wait, never a look at every run.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from msgspec.structs import replace

from runbus.contracts.deadlines import with_deadline
from runbus.contracts.placement import Platform
from runbus.contracts.states import Reason, RunState
from runbus.contracts.status import RunStatus
from runbus.scheduler.model import Books, Limits, Order, Plan, Refusal

# Decided in one round; the rest is planned again, on what has happened meanwhile.
ROUND_MAX = 512


def plan(books: Books, limits: Limits, now: datetime) -> Plan:
    """Say which runs start now, and which wait for what."""
    books.end_backoffs(now)
    round_ = _Round(books, limits)
    admit = round_.admissions()
    queue = round_.refusals(set(admit))
    return Plan(
        admit=tuple(admit),
        queue=tuple(queue),
        wake_at=books.next_backoff,
        more=len(admit) == ROUND_MAX or len(queue) == ROUND_MAX,
    )


def admitted(before: RunStatus, now: datetime, platform: Platform) -> RunStatus:
    """Return the status of a run that is admitted: the next attempt, with nothing of the last.

    `platform` is what the run was accepted with: the status keeps how spot nodes are told.
    """
    status = replace(
        _fresh(before, RunState.ADMITTED, now),
        attempt=before.attempt + 1,
        admitted_at=now,
        spot_labels=platform.preemptible_nodes.node_selector,
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


class _Round:
    """One round: the books as they stand, and what it has admitted so far."""

    def __init__(self, books: Books, limits: Limits) -> None:
        self._books = books
        self._limits = limits
        self._in_flight = Counter(books.in_flight)
        self._total = self._in_flight.total()

    def admissions(self) -> list[str]:
        """Return the runs that fit, in order, and count them."""
        admit: list[str] = []
        lines = {project: self._books.line(project) for project in self._books.projects()}
        heads: list[tuple[Order, str]] = []
        for project in lines:
            self._push_head(heads, lines, project)
        while heads and len(admit) < ROUND_MAX and not self._is_full():
            order, project = heapq.heappop(heads)
            admit.append(order.key)
            self._in_flight[project] += 1
            self._total += 1
            self._push_head(heads, lines, project)
        return admit

    def refusals(self, admit: set[str]) -> list[Refusal]:
        """Return the runs that stay and have not said so, or have said another reason."""
        found: list[Refusal] = []
        for project in self._books.projects():
            refusal = self._refusal(project)
            if refusal is None:
                continue
            reason, message = refusal
            for key in self._books.not_told(project, reason.value):
                if len(found) >= ROUND_MAX:
                    return found
                if key not in admit:
                    found.append(Refusal(key, reason, message))
        return found

    def _push_head(
        self, heads: list[tuple[Order, str]], lines: dict[str, Iterator[Order]], project: str
    ) -> None:
        if self._is_full_for(project):
            return
        order = next(lines[project], None)
        if order is not None:
            heapq.heappush(heads, (order, project))

    def _is_full(self) -> bool:
        limit = self._limits.concurrent_runs
        return limit is not None and self._total >= limit

    def _is_full_for(self, project: str) -> bool:
        limit = self._limits.by_project.get(project)
        return limit is not None and self._in_flight[project] >= limit

    def _refusal(self, project: str) -> tuple[Reason, str] | None:
        """Return why no run of a project is admitted: its own limit first, which changes least."""
        if self._is_full_for(project):
            limit, count = self._limits.by_project[project], self._in_flight[project]
            text = f"concurrent runs {count}/{limit} in project {project}"
            return Reason.QUOTA_EXCEEDED, text
        if self._is_full():
            limit = self._limits.concurrent_runs or 0
            return Reason.SERVICE_LIMIT_REACHED, f"concurrent runs {self._total}/{limit} in all"
        return None
