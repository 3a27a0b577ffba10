"""PURE: what the scheduler knows, and what it decides."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from runbus.contracts.states import Reason, RunState
from runbus.contracts.status import RunStatus

WAITING_STATES = frozenset({RunState.ACCEPTED, RunState.QUEUED, RunState.RETRYING})
LOWEST_RANK = 1_000_000  # of a run without a priority class


class Limits(Struct, frozen=True, kw_only=True):
    """How many runs may be in flight: admitted and not yet ended. None is no limit."""

    concurrent_runs: int | None = None
    by_project: Mapping[str, int] = {}


class InFlight(Struct, frozen=True, gc=False):
    """What is kept of a run that has been admitted: its event is somebody else's to follow up."""

    sequence: int
    state: RunState
    since: datetime


class Refusal(Struct, frozen=True):
    """Why a run has to wait."""

    key: str
    reason: Reason
    message: str


class Plan(Struct, frozen=True, kw_only=True):
    """What one round of admission comes to.

    `admit` in order of admission. `queue`: only runs whose reason is news. `wake_at`: the end of
    the next backoff. `more`: there is more to decide than one round does.
    """

    admit: tuple[str, ...] = ()
    queue: tuple[Refusal, ...] = ()
    wake_at: datetime | None = None
    more: bool = False


class Order(NamedTuple):
    """A run's place: priority class (highest first, none last), then age, then key."""

    rank: int
    accepted_at: datetime
    key: str


class Books:
    """Which runs wait, in order, and how many are in flight. Kept run by run, as events come."""

    def __init__(self) -> None:
        self.in_flight: Counter[str] = Counter()
        self._flying: dict[str, str] = {}
        self._lines: dict[str, _Line] = {}
        self._waiting: dict[str, str] = {}
        self._backoffs: dict[str, tuple[datetime, RunStatus]] = {}
        self._backoff_heap: list[tuple[datetime, str]] = []

    def take(self, key: str, status: RunStatus) -> None:
        """Enter a run as it stands now; a final one leaves the books."""
        self.drop(key)
        if status.state not in WAITING_STATES:
            if not status.state.is_final:
                self._flying[key] = status.project
                self.in_flight[status.project] += 1
        elif status.state is RunState.RETRYING and status.not_before is not None:
            self.defer(key, status, status.not_before)
        else:
            self._line_up(key, status)

    def drop(self, key: str) -> None:
        """Strike a run out."""
        project = self._flying.pop(key, None)
        if project is not None:
            self.in_flight[project] -= 1
        line = self._waiting.pop(key, None)
        if line is not None and self._lines[line].drop(key):
            del self._lines[line]
        self._backoffs.pop(key, None)

    def defer(self, key: str, status: RunStatus, until: datetime) -> None:
        """Have a run wait for a moment before it stands in line."""
        self.drop(key)
        self._backoffs[key] = (until, status)
        heapq.heappush(self._backoff_heap, (until, key))

    def end_backoffs(self, now: datetime) -> None:
        """Have those whose moment has come stand in line."""
        while self._backoff_heap and self._backoff_heap[0][0] <= now:
            at, key = heapq.heappop(self._backoff_heap)
            until, status = self._backoffs.get(key, (None, None))
            if until == at and status is not None:
                del self._backoffs[key]
                self._line_up(key, status)

    @property
    def next_backoff(self) -> datetime | None:
        """When the next backoff ends."""
        while self._backoff_heap:
            at, key = self._backoff_heap[0]
            if self._backoffs.get(key, (None, None))[0] == at:
                return at
            heapq.heappop(self._backoff_heap)  # dropped or deferred again since
        return None

    def projects(self) -> list[str]:
        """Return the projects with runs in line."""
        return list(self._lines)

    def line(self, project: str) -> Iterator[Order]:
        """Go through the runs of a project in order."""
        return self._lines[project].in_order()

    def not_told(self, project: str, reason: str) -> Iterator[str]:
        """Go through the runs in line that have not said this reason."""
        return self._lines[project].not_told(reason)

    def _line_up(self, key: str, status: RunStatus) -> None:
        self._waiting[key] = status.project
        line = self._lines.setdefault(status.project, _Line())
        rank = status.priority_rank if status.priority_rank is not None else LOWEST_RANK
        told = status.reason if status.state is RunState.QUEUED else ""
        line.add(Order(rank, status.accepted_at or status.since, key), told)


class _Line:
    """The runs of one project that stand in line, and what each has said it waits for."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._heap: list[Order] = []
        self._told: dict[str, dict[str, None]] = {}
        self._said: dict[str, str] = {}

    def add(self, order: Order, told: str) -> None:
        """Add a run; `told` is the reason that its last event gives, empty if it gives none."""
        self._orders[order.key] = order
        heapq.heappush(self._heap, order)
        self._said[order.key] = told
        self._told.setdefault(told, {})[order.key] = None

    def drop(self, key: str) -> bool:
        """Remove a run; says whether the line is empty now."""
        del self._orders[key]
        told = self._said.pop(key)
        del self._told[told][key]
        if len(self._heap) > 2 * len(self._orders) + 100:
            self._heap = list(self._orders.values())
            heapq.heapify(self._heap)
        return not self._orders

    def in_order(self) -> Iterator[Order]:
        """Yield the runs in order; each costs the logarithm of the line's length."""
        frontier = [(self._heap[0], 0)] if self._heap else []
        seen = ""
        while frontier:
            order, place = heapq.heappop(frontier)
            for child in (2 * place + 1, 2 * place + 2):
                if child < len(self._heap):
                    heapq.heappush(frontier, (self._heap[child], child))
            # What has left the line stays in the heap for a while, and may be there twice.
            if self._orders.get(order.key) == order and order.key != seen:
                seen = order.key
                yield order

    def not_told(self, reason: str) -> Iterator[str]:
        """Yield the runs that have said something else, or nothing."""
        for told, keys in self._told.items():
            if told != reason:
                yield from keys
