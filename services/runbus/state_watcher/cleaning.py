"""PURE: the objects that have to go, and when to ask the aborter for it (again)."""

from __future__ import annotations

from datetime import datetime, timedelta

from runbus.contracts.commands import CleanUpCause, CleanUpObjects, ObjectFence
from runbus.contracts.status import RunStatus
from runbus.reading.forcing import PAST_GRACE_S
from runbus.reading.late import cause_to_go
from runbus.state_watcher.model import Command, Known, PodSeen

# The aborter deletes on its own right after `aborting` is stored: only then is it reminded.
ABORTING_REMINDER_S = 2.0
ASK_AGAIN_S = 5.0


def clean_up(known: Known, now: datetime) -> tuple[tuple[Command, ...], datetime | None]:
    """Return the commands that are due, and when to look again."""
    due: dict[CleanUpCause, list[PodSeen]] = {}
    next_at: datetime | None = None
    for pod in known.pods:
        if pod.gone or pod.missing:
            continue
        cause = cause_to_go(known.status, pod.attempt, pod.reading)
        at = _due_at(known, pod, cause) if cause is not None else None
        if cause is None or at is None:
            continue
        if at <= now:
            due.setdefault(cause, []).append(pod)
            at = now + timedelta(seconds=ASK_AGAIN_S)
        next_at = at if next_at is None else min(next_at, at)
    commands = tuple(Command(_command(known, cause, pods)) for cause, pods in due.items())
    return commands, next_at


def _due_at(known: Known, pod: PodSeen, cause: CleanUpCause) -> datetime | None:
    """Return when the object should be asked for; None for never."""
    at = _first_due_at(known.status, pod, cause)
    asked_at = known.clean_up_asked.get(pod.uid)
    if at is None or asked_at is None:
        return at
    return max(at, asked_at + timedelta(seconds=ASK_AGAIN_S))


def _first_due_at(status: RunStatus, pod: PodSeen, cause: CleanUpCause) -> datetime | None:
    if pod.deletion_at is not None:  # under way: a reminder once its grace has passed
        return pod.deletion_at + timedelta(seconds=PAST_GRACE_S)
    if cause is CleanUpCause.TTL:
        if status.ttl_after_finish_s is None:
            return None
        return status.since + timedelta(seconds=status.ttl_after_finish_s)
    if cause is CleanUpCause.ABORTING and pod.appeared_at <= status.since:
        return status.since + timedelta(seconds=ABORTING_REMINDER_S)
    return pod.entered_at


def _command(known: Known, cause: CleanUpCause, pods: list[PodSeen]) -> CleanUpObjects:
    fences = tuple(ObjectFence(namespace=pod.namespace, name=pod.name, uid=pod.uid) for pod in pods)
    return CleanUpObjects(
        attempt=known.status.attempt, cause=cause, objects=fences, if_sequence=known.sequence
    )
