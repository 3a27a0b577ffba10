"""Builders of what the invariants judge: a run's events one after another, and its objects."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from runbus.contracts.deadlines import with_deadline
from runbus.contracts.identity import event_id
from runbus.contracts.states import EventType, Reason, RunState
from runbus.contracts.status import AbortCause, RunStatus
from runbus.reading.history import ObjectLife, RunHistory, StoredEvent, World, run_key
from runbus.reading.invariants import check
from support.runs import PROJECT, RUN_ID, a_status, at, pod_name, replace

RUN = run_key(PROJECT, RUN_ID)

_PUBLISHERS = {
    EventType.ACCEPTED: "spec-validator",
    EventType.REJECTED: "spec-validator",
    EventType.QUEUED: "scheduler",
    EventType.ADMITTED: "scheduler",
    EventType.LAUNCHED: "pod-launcher",
    EventType.LAUNCH_FAILED: "pod-launcher",
    EventType.ABORTING: "aborter",
    EventType.ABORT_WITHDRAWN: "aborter",
}
_KEEP_THE_STATE = frozenset({EventType.LAUNCHED, EventType.DEADLINE_CHANGED})
_FAILED = frozenset({EventType.ATTEMPT_FAILED, EventType.LAUNCH_FAILED})


class Story:
    """The events of one run, told one after another; each as its service would store it."""

    def __init__(self, run_id: str = RUN_ID, **accepted: Any) -> None:
        self.run_id = run_id
        self.events: list[StoredEvent] = []
        self._first: dict[str, Any] = {"run_id": run_id} | accepted

    def then(self, event_type: EventType, second: float, **fields: Any) -> Story:
        """Add an event that enters its state, and is stored, so many seconds after T0.

        `sequence`, `publisher`, `event_id`, `expected`, `stored_at`, `idempotency_key` and
        `document_hash` go to the event, all else to its status.
        """
        own = {key: fields.pop(key) for key in list(fields) if key in _EVENT_FIELDS}
        before = self.events[-1] if self.events else None
        status = self._status(event_type, at(second), before, fields)
        expected = before.sequence if before is not None else 0
        values: dict[str, Any] = {
            "sequence": expected + 3,
            "event_type": event_type.value,
            "status": status,
            "publisher": _PUBLISHERS.get(event_type, "state-watcher"),
            "event_id": event_id(status.run_id, status.attempt, event_type, expected),
            "expected": expected,
            "stored_at": at(second),
        }
        self.events.append(StoredEvent(**(values | own)))
        return self

    def _status(
        self,
        event_type: EventType,
        moment: datetime,
        before: StoredEvent | None,
        fields: dict[str, Any],
    ) -> RunStatus:
        if before is None:
            first: dict[str, Any] = {"since": moment} | self._first | fields
            return a_status(RunState(event_type.value), **first)
        values: dict[str, Any] = {}
        if event_type not in _KEEP_THE_STATE:
            state = RunState.ERROR if event_type in _FAILED else RunState(event_type.value)
            values = {"state": state, "since": moment}
        if event_type is EventType.ADMITTED:
            values["attempt"] = before.status.attempt + 1
        return with_deadline(replace(before.status, **(values | fields)))

    def running(self, second: float = 2) -> Story:
        """Go from nothing to a running attempt."""
        self.then(EventType.ACCEPTED, 0).then(EventType.ADMITTED, 1)
        return self.then(EventType.RUNNING, second)

    def history(self, *objects: ObjectLife) -> RunHistory:
        return RunHistory(
            run=run_key(PROJECT, self.run_id), events=tuple(self.events), objects=objects
        )

    def breaches(self, *objects: ObjectLife, now: float = 1000, **world: Any) -> list[str]:
        """Return what the invariants say of this run alone, as `<number>: <text>`."""
        return breaches(World(now=at(now), runs=(self.history(*objects),), **world))


_EVENT_FIELDS = frozenset(StoredEvent.__struct_fields__) - {"status", "event_type"}


def breaches(world: World) -> list[str]:
    """Return what the invariants say, as `<number>: <text>`."""
    return [f"{each.invariant.value}: {each.text}" for each in check(world)]


def a_life(appeared: float, gone: float | None = None, **fields: Any) -> ObjectLife:
    """Return the life of the first attempt's pod; moments are seconds after T0."""
    attempt = fields.pop("attempt", 1)
    moments: dict[str, Any] = {
        key: at(value) if key.endswith("_at") and value is not None else value
        for key, value in fields.items()
    }
    return ObjectLife(
        run=RUN,
        attempt=attempt,
        name=pod_name(attempt),
        uid=f"uid-{attempt}",
        appeared_at=at(appeared),
        gone_at=at(gone) if gone is not None else None,
        **moments,
    )


def by_limit(state: RunState, since: float, limit_s: float, decided: float) -> AbortCause:
    """Return the cause of an abort by a limit, decided so many seconds after T0."""
    return AbortCause(
        by="threshold",
        reason=Reason.THRESHOLD_EXCEEDED.value,
        state=state,
        since=at(since),
        limit_s=limit_s,
        overdue_ms=round((decided - since - limit_s) * 1000),
        requested_at=at(decided),
    )


def by_user() -> AbortCause:
    """Return the cause of a user's abort."""
    return AbortCause(by="ada", by_user=True, reason=Reason.ABORTED_BY_USER.value)
