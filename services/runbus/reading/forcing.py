"""When a pod that does not go is deleted with grace 0, and what that says of its program.

Aborter and owner judge by the same rule: the one when it forces a pod away, the other when it says
whether the program may still run. Must not know: how nodes are asked, or who deletes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

# A clock may be so much behind another's; where the wait is short, less.
CLOCKS_DIFFER_S = 10.0
# Kubernetes rounds to seconds, and a kubelet that kept to the grace needs a moment to say so.
PAST_GRACE_S = 1.0


class Force(StrEnum):
    """Whether a pod that does not go is deleted with grace 0."""

    NO = "no"
    YES = "yes"
    NOT_YET = "not_yet"


class NodeView(Struct, frozen=True, kw_only=True):
    """What is known of a pod's node: not there, or there and ready or not; None: not readable."""

    exists: bool
    ready: bool = False


def force(
    grace_ends_at: datetime | None,
    node: NodeView | None,
    now: datetime,
    unreachable_after_s: float,
) -> Force:
    """Say whether a pod past its grace is deleted with grace 0 (states.md section 5).

    Only where its node is ready (the kubelet will agree) or gone. Where it does not answer, the
    program may still run: only after `unreachable_after_s`. A node that may not be read counts
    as one that does not answer.
    """
    if grace_ends_at is None or now < grace_ends_at + timedelta(seconds=PAST_GRACE_S):
        return Force.NO
    if node is not None and (node.ready or not node.exists):
        return Force.YES
    if _had_its_time(grace_ends_at, now, unreachable_after_s):
        return Force.YES
    return Force.NOT_YET


def may_still_run(
    grace_ends_at: datetime | None, forced_at: datetime, unreachable_after_s: float
) -> bool:
    """Say whether the program of a pod that was forced away may still run: its node was silent.

    Told from when it was forced: from a ready node within seconds of its grace's end, from a silent
    one only after `unreachable_after_s`. In between lies the room for clocks that differ.
    """
    if grace_ends_at is None:
        return False
    differ_s = min(CLOCKS_DIFFER_S, unreachable_after_s / 4)
    return _had_its_time(grace_ends_at, forced_at, unreachable_after_s - differ_s)


def _had_its_time(grace_ends_at: datetime, at: datetime, unreachable_after_s: float) -> bool:
    """Say whether a silent node has had its time to say that a pod's program has ended.

    Counted from the end of the grace, never from the request: a program may use all of its grace.
    """
    return at >= grace_ends_at + timedelta(seconds=unreachable_after_s)
