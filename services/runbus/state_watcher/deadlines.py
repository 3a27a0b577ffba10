"""PURE: whether a limit has passed, on a view that is confirmed after it, and the abort command."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from runbus.contracts.commands import AbortRun
from runbus.contracts.deadlines import clock_start, next_deadline, whole_limit_s
from runbus.contracts.identity import object_name
from runbus.contracts.states import Reason, RunState, Threshold
from runbus.contracts.status import RunStatus
from runbus.state_watcher.model import Command, Decision, Known, Look, PodSeen
from runbus.state_watcher.scale_up import wait_or_abort, with_word

JUDGE_AGAIN_S = 5.0
WATCHER = "threshold"


def judge(known: Known, pod: PodSeen | None, now: datetime, abort_never_pullable: bool) -> Decision:
    """Judge a live run's limits.

    Nobody is aborted on stale knowledge: with an object in the cluster, the API server must have
    been asked for it after the deadline. While it cannot be reached nothing is decided.
    """
    status = known.status
    if (
        pod is not None
        and pod.reading.never_heals
        and abort_never_pullable
        and status.state is RunState.IMAGE_PULL_BACKOFF
    ):
        return _confirmed(
            known, pod, status.since, now, _abort(known, Reason.IMAGE_NEVER_PULLABLE, now)
        )
    found = next_deadline(status)
    if found is None:
        return Decision()
    at, key = found
    if now < at:
        return Decision(wake_at=at)
    decision = _confirmed(known, pod, at, now, _exceeded(known, at, key, now))
    if key is Threshold.PENDING_NOT_SCHEDULED and pod is not None and decision.commands:
        return wait_or_abort(known, pod, at, decision)
    return decision


def _confirmed(
    known: Known, pod: PodSeen | None, at: datetime, now: datetime, command: AbortRun
) -> Decision:
    """Send the command if the view is new enough, else look first; either way judge again."""
    if known.abort_asked_at is not None:
        again_at = _again_at(known, known.abort_asked_at)
        if now < again_at:
            return Decision(wake_at=again_at)
        at = again_at
    again_at = now + timedelta(seconds=JUDGE_AGAIN_S)
    if pod is not None and (known.confirmed_at is None or known.confirmed_at < at):
        if not known.synced or not known.reachable:
            return Decision(wake_at=again_at)
        status = known.status
        name = object_name(status.name, status.run_id, status.attempt)
        return Decision(look=Look(status.namespace, name))
    return Decision(commands=(Command(command),), wake_at=again_at)


def _again_at(known: Known, asked_at: datetime) -> datetime:
    """Return when a timer that has fired is judged again: in 5 s, or once reconnected."""
    again_at = asked_at + timedelta(seconds=JUDGE_AGAIN_S)
    if known.reconnected_at is not None and known.reconnected_at > asked_at:
        return min(again_at, known.reconnected_at)
    return again_at


def _exceeded(known: Known, at: datetime, key: Threshold, now: datetime) -> AbortRun:
    limit = known.status.thresholds[key.value]
    abort = _abort(known, Reason.THRESHOLD_EXCEEDED, now)
    is_scheduling = key is Threshold.PENDING_NOT_SCHEDULED
    return replace(
        abort,
        message=with_word(abort.message, known) if is_scheduling else abort.message,
        threshold=key,
        since=clock_start(known.status, key),
        limit_s=whole_limit_s(limit, known.status.attempt),
        overdue_ms=int((now - at).total_seconds() * 1000),
    )


def _abort(known: Known, reason: Reason, now: datetime) -> AbortRun:
    """Return the command with its fences: attempt, and the event that was judged by."""
    status = known.status
    return AbortRun(
        by=WATCHER,
        by_user=False,
        reason=reason.value,
        message=_what_it_waits_for(status),
        attempt=status.attempt,
        if_sequence=known.sequence,
        state=status.state,
        since=status.since,
        requested_at=now,
    )


def _what_it_waits_for(status: RunStatus) -> str:
    """Return what stands behind a state; nothing where the state says it all."""
    text = status.status_text or status.message
    return "" if text == status.state.value else text
