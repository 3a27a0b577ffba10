"""What must hold of every history: read afterwards from the events, against the table as data."""

from __future__ import annotations

from datetime import timedelta

from runbus.contracts import codec, subjects
from runbus.contracts.commands import AbortRun
from runbus.contracts.states import EventType, RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.streams import EVENTS
from runbus.contracts.transitions import TRANSITIONS
from runbus.sdk.bus import Bus
from runbus.sdk.follow import follow

Step = tuple[str, RunStatus]


async def histories(bus: Bus) -> dict[str, list[Step]]:
    """Return the events of every run, in order."""
    found: dict[str, list[Step]] = {}
    async with follow(bus, EVENTS, [subjects.events_of_project()]) as follower:
        while True:
            for message in await follower.next_batch(timeout_s=1.0):
                parsed = subjects.parse_event(message.subject)
                status = codec.decode_status(message.data)
                found.setdefault(parsed.run_id, []).append((parsed.event_type, status))
            if follower.caught_up:
                return found


def violations(steps: list[Step]) -> list[str]:
    """Return what is wrong with one run's history; empty if nothing is."""
    wrong: list[str] = []
    before: RunStatus | None = None
    for event_type, status in steps:
        wrong.extend(_illegal(before, EventType(event_type), status))
        if before is not None and before.state.is_final:
            wrong.append(f"{event_type} after the final state {before.state.value}")
        if status.state is RunState.ABORTING:
            wrong.extend(_too_early(status))
        before = status
    return wrong


def _illegal(before: RunStatus | None, event: EventType, after: RunStatus) -> list[str]:
    state = before.state if before is not None else None
    legal = any(
        row.event is event and state in row.sources and after.state in row.targets
        for row in TRANSITIONS
    )
    shown = state.value if state is not None else "(nothing)"
    return [] if legal else [f"{event.value} from {shown} to {after.state.value}"]


def _too_early(status: RunStatus) -> list[str]:
    cause = status.abort
    if cause is None or cause.by_user or cause.limit_s is None or cause.since is None:
        return []
    deadline = cause.since + timedelta(seconds=cause.limit_s)
    return [] if status.since >= deadline else [f"aborted {deadline - status.since} too early"]


__all__ = ["AbortRun", "histories", "violations"]
