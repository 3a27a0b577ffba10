"""Runs of all fates: what is submitted, and what may become of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from runbus.contracts.states import RunState
from support.system import sleeping

COMPLETED = frozenset({RunState.COMPLETED})
ERROR = frozenset({RunState.ERROR})
ABORTED = frozenset({RunState.ABORTED})
# Whoever is faster, a user's abort or the program: one of them, and nothing else.
ENDED = COMPLETED | ABORTED


class Fate(Struct, frozen=True):
    """Settings of a job, and the final states that are right for it."""

    name: str
    settings: Mapping[str, Any]
    ends: frozenset[RunState]
    is_user_aborted: bool = False
    is_evicted: bool = False


def _retry(*on: str) -> dict[str, Any]:
    return {"limit": 1, "backoff": "1s", "on": list(on)}


FATES = (
    Fate("fine", {"command": sleeping(1)}, COMPLETED),
    Fate("fails", {"command": ["sh", "-c", "sleep 0.5; exit 3"]}, ERROR),
    Fate(
        "no-image",
        {"image": "missing:1", "state_thresholds": {"image_pull_backoff": "2s"}},
        ABORTED,
    ),
    Fate(
        "too-big",
        {
            "resources": {"requests": {"cpu": "5000"}},
            "state_thresholds": {"pending_not_scheduled": "2s"},
        },
        ABORTED,
    ),
    Fate("bad-image", {"image": "registry.example.com/UPPER:1"}, ABORTED),
    Fate(
        "no-secret",
        {
            "env": [{"name": "X", "secret": {"name": "nowhere", "key": "x"}}],
            "state_thresholds": {"pending_scheduled": "2s"},
        },
        ABORTED,
    ),
    Fate("too-long", {"command": sleeping(100), "state_thresholds": {"running": "2s"}}, ABORTED),
    Fate("too-old", {"command": sleeping(100), "state_thresholds": {"total": "4s"}}, ABORTED),
    Fate("unwanted", {"command": sleeping(4)}, ENDED, is_user_aborted=True),
    Fate("unwanted-waiting", {"image": "missing:2"}, ABORTED, is_user_aborted=True),
    Fate(
        "unwanted-between",  # most of the time it waits for its second attempt
        {
            "command": ["sh", "-c", "exit 1"],
            "retry": {"limit": 5, "backoff": "1h", "backoff_max": "2h", "on": ["user"]},
        },
        ABORTED | ERROR,
        is_user_aborted=True,
    ),
    Fate(
        "again",
        {"command": ["sh", "-c", 'test "$RUNBUS_ATTEMPT" = 2'], "retry": _retry("user")},
        COMPLETED,
    ),
    Fate(
        "pulled-again",
        {
            "image": "missing:3",
            "state_thresholds": {"image_pull_backoff": "1s"},
            "retry": _retry("image_pull_backoff"),
        },
        ABORTED,
    ),
    # Evicted in its first attempt, where the eviction comes in time.
    Fate(
        "evicted",
        {"command": sleeping(3), "retry": _retry("infrastructure")},
        COMPLETED,
        is_evicted=True,
    ),
    Fate(
        "refused",  # allowed by the operator, unknown to the cluster
        {"priority_class": "low"},
        ERROR,
    ),
    Fate("short-lived", {"command": sleeping(0.2), "ttl_after_finish": "1s"}, COMPLETED),
    Fate(
        "stubborn",
        {
            "command": ["sh", "-c", "trap '' TERM; while true; do sleep 0.1; done"],
            "termination_grace_period": "1s",
            "state_thresholds": {"running": "1s"},
        },
        ABORTED,
    ),
)
# So few at a time that some wait in the queue.
DEFAULTS = """
limits: {concurrent_runs: 12}
allowed_priority_classes: [high, low]
"""
