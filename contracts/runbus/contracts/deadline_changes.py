"""What a ChangeDeadline command does to the limits of a run: pure arithmetic over its status.

The state-watcher applies it and publishes `deadline_changed`; the command line asks the same
function first, so that a mistake is told at once and in the same words.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from runbus.contracts.commands import ChangeDeadline, DeadlineAction
from runbus.contracts.deadlines import clock_runs, clock_start, with_deadline
from runbus.contracts.durations import (
    DURATION_SECONDS_MAX,
    DURATION_SECONDS_MIN,
    format_duration,
)
from runbus.contracts.states import RunState, Threshold
from runbus.contracts.status import Limit, RunStatus


class DeadlineRefusal(Struct, frozen=True):
    """Why a change is not made, and the way out."""

    why: str


def change_deadline(
    status: RunStatus, command: ChangeDeadline, now: datetime
) -> RunStatus | DeadlineRefusal:
    """Return the status with the limit changed, or why it cannot be.

    A limit that is extended, or whose clock stands, stays so in the attempts that follow: it was
    asked for the run. Sources: the rules are those of docs/adr/0008.
    """
    if status.state.is_final:
        return DeadlineRefusal(f"the run is over: {status.state.value}")
    if status.state is RunState.ABORTING:
        return DeadlineRefusal("the run is being aborted")
    key = command.threshold
    if key is Threshold.UNKNOWN:
        return DeadlineRefusal(f"no such threshold; there are {_KEYS}")
    limit = status.thresholds.get(key.value, Limit())
    match command.action:
        case DeadlineAction.EXTEND:
            changed = _extended(key, limit, command.extend_s)
        case DeadlineAction.MOVE:
            changed = _moved(status, key, limit, command.at, now)
        case DeadlineAction.PAUSE:
            changed = _paused(key, limit, now)
        case DeadlineAction.RESUME:
            changed = _resumed(status, key, limit, now)
        case _:
            return DeadlineRefusal(f"no such action; there are {_ACTIONS}")
    if isinstance(changed, DeadlineRefusal):
        return changed
    return with_deadline(replace(status, thresholds={**status.thresholds, key.value: changed}))


def _extended(key: Threshold, limit: Limit, extend_s: float | None) -> Limit | DeadlineRefusal:
    if limit.limit_s is None:
        return DeadlineRefusal(f"{key.value} has no limit to extend; set one with a moment (at)")
    if extend_s is None or extend_s < DURATION_SECONDS_MIN:
        return DeadlineRefusal(
            f"extend_s is the time to add, at least {DURATION_SECONDS_MIN:g} s; a limit is"
            " shortened with a moment (at)"
        )
    extended_s = limit.extended_s + extend_s
    if limit.limit_s + extended_s > DURATION_SECONDS_MAX:
        return _TOO_LONG
    return replace(limit, extended_s=extended_s)


def _moved(
    status: RunStatus, key: Threshold, limit: Limit, at: datetime | None, now: datetime
) -> Limit | DeadlineRefusal:
    if at is None:
        return DeadlineRefusal("the moment to move the deadline to (at) is missing")
    if at <= now:
        return DeadlineRefusal(f"{at.isoformat()} has passed; to end the run, abort it")
    if not clock_runs(status, key):
        return DeadlineRefusal(
            f"the run is {status.state.value}: the clock of {key.value} has not started, so its"
            " deadline has no moment yet; extend it instead"
        )
    if limit.paused_at is not None:
        return DeadlineRefusal(f"the clock of {key.value} stands; resume it first")
    from_start_s = (at - clock_start(status, key)).total_seconds()
    if from_start_s > DURATION_SECONDS_MAX:
        return _TOO_LONG
    if limit.limit_s is None:
        return replace(limit, limit_s=from_start_s)
    if limit.scale_up is not None:  # said once: it is not given again, and adds nothing more
        limit = replace(limit, scale_up=replace(limit.scale_up, extended_s=0.0))
    return replace(limit, extended_s=from_start_s - (limit.limit_s or 0.0))


def _paused(key: Threshold, limit: Limit, now: datetime) -> Limit | DeadlineRefusal:
    if limit.limit_s is None:
        return DeadlineRefusal(f"{key.value} has no limit, so no clock to pause")
    if limit.paused_at is not None:
        return DeadlineRefusal(f"the clock of {key.value} stands already")
    return replace(limit, paused_at=now)


def _resumed(
    status: RunStatus, key: Threshold, limit: Limit, now: datetime
) -> Limit | DeadlineRefusal:
    if limit.paused_at is None:
        return DeadlineRefusal(f"the clock of {key.value} is not paused")
    stood_s = 0.0
    if clock_runs(status, key):
        stood_from = max(limit.paused_at, clock_start(status, key))
        stood_s = max(0.0, (now - stood_from).total_seconds())
    return replace(limit, paused_at=None, extended_s=limit.extended_s + stood_s)


_KEYS = ", ".join(key.value for key in Threshold if key is not Threshold.UNKNOWN)
_ACTIONS = ", ".join(each.value for each in DeadlineAction if each is not DeadlineAction.UNKNOWN)
_TOO_LONG = DeadlineRefusal(
    f"the limit would be longer than {format_duration(DURATION_SECONDS_MAX)}"
)
