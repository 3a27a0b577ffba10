"""PURE: when a run entered the state that is now reported. Fixed once, by that event.

Every timer uses the recorded value, so that restarts and other replicas keep it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from runbus.contracts.states import RunState
from runbus.contracts.status import RunStatus
from runbus.state_watcher.model import PodSeen

# Kubernetes floors its timestamps to a second: one second later is never too early.
FLOORED = timedelta(seconds=1)

# After these the pod's own timestamps say when something else happened: use the clock.
_NO_OWN_TIMESTAMP_AFTER = frozenset({RunState.HELD, RunState.IMAGE_PULL_BACKOFF})


def entered_at(before: RunStatus, pod: PodSeen, now: datetime) -> datetime:
    """Return when the run entered the state that the pod shows.

    Seen live: the time the watcher saw it. Found after a gap: the pod's own timestamp plus a
    second. Never before the state left was entered, never after now.
    """
    own = pod.reading.own_timestamp
    if before.state is pod.reading.state:
        return before.since
    if pod.live or own is None:
        at = pod.entered_at
    elif before.state in _NO_OWN_TIMESTAMP_AFTER:
        at = now
    else:
        at = own + FLOORED
    return max(before.since, min(at, now))
