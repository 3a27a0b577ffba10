"""PURE: what the scheduler knows, and what it decides."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from runbus.contracts.states import Reason, RunState
from runbus.contracts.status import RunStatus

WAITING_STATES = frozenset({RunState.ACCEPTED, RunState.QUEUED, RunState.RETRYING})


class Limits(Struct, frozen=True, kw_only=True):
    """How many runs may be in flight: admitted and not yet ended. None is no limit."""

    concurrent_runs: int | None = None
    by_project: Mapping[str, int] = {}


class Waiting(Struct, frozen=True, kw_only=True):
    """A run that wants to be admitted."""

    key: str
    status: RunStatus


class Snapshot(Struct, frozen=True, kw_only=True):
    """All that one round of admission looks at."""

    waiting: tuple[Waiting, ...]
    in_flight: Mapping[str, int]  # by project
    limits: Limits


class Refusal(Struct, frozen=True):
    """Why a run has to wait."""

    key: str
    reason: Reason
    message: str


class Plan(Struct, frozen=True, kw_only=True):
    """What one round of admission comes to.

    `admit` in order of admission. `queue`: only runs whose reason is news. `wake_at`: the end of
    the next backoff.
    """

    admit: tuple[str, ...] = ()
    queue: tuple[Refusal, ...] = ()
    wake_at: datetime | None = None
