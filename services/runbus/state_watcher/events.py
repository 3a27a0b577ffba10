"""PURE: the events that the watcher publishes, made from a run's status and its pod's reading."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from runbus.contracts.deadlines import is_total_over, with_deadline
from runbus.contracts.events import EVENT_STRUCTS
from runbus.contracts.states import OBJECT_STATES, EventType, OutcomeClass, Reason, Role, RunState
from runbus.contracts.status import AbortCause, PodRef, RunStatus
from runbus.contracts.transitions import AttemptOutcome, after_attempt
from runbus.reading.aborts import abort_text
from runbus.reading.ends import reading_with_spot
from runbus.reading.explain import describe
from runbus.reading.model import Reading
from runbus.reading.runs import RoleReading, count_states
from runbus.state_watcher.clocks import entered_at
from runbus.state_watcher.model import Known, PodSeen, Publish

MESSAGE_CHARACTERS_MAX = 2000

_ORDINARY_REASONS = frozenset({"", "ContainerCreating", "PodInitializing"})

_STATE_EVENTS = {
    RunState.HELD: EventType.HELD,
    RunState.PENDING_NOT_SCHEDULED: EventType.PENDING_NOT_SCHEDULED,
    RunState.PENDING_SCHEDULED: EventType.PENDING_SCHEDULED,
    RunState.IMAGE_PULL_BACKOFF: EventType.IMAGE_PULL_BACKOFF,
    RunState.RUNNING: EventType.RUNNING,
}


def state_event(known: Known, pod: PodSeen, now: datetime) -> Publish | None:
    """Return the event of a state entered, or of a new reason in it; None if all is said."""
    before, reading = known.status, pod.reading
    if before.state is reading.state and not _is_news(before.reason, reading):
        return None
    status = replace(
        before,
        state=reading.state,
        since=entered_at(before, pod, now),
        reason=reading.reason,
        message=_cut(reading.message),
        status_text=describe(reading),
        container=reading.container or None,
        outcome_class=None,
        exit_code=None,
        roles=count_states([RoleReading(Role.MAIN, 0, reading)]),
        pods=(_pod_ref(known, pod),),
        abort=None,
    )
    return _publish(_STATE_EVENTS[reading.state], with_deadline(status))


def _is_news(told: str, reading: Reading) -> bool:
    """Say whether a reason is worth an event of its own.

    Those of the image family alternate with every pull: the first one stands. Every pod passes
    through the ordinary ones on its way.
    """
    if reading.state is RunState.IMAGE_PULL_BACKOFF:
        return False
    return told != reading.reason and not {told, reading.reason} <= _ORDINARY_REASONS


def end_event(known: Known, reading: Reading, pod: PodSeen | None, now: datetime) -> Publish:
    """Return the event of an attempt that came to its own end, or whose pod is lost."""
    before = known.status
    kube_reason = reading.reason
    reading = reading_with_spot(reading, is_spot=known.is_spot(pod))
    outcome = AttemptOutcome(
        state=_ended_in(before),
        reason=reading.reason,
        kube_reason=kube_reason,
        outcome_class=reading.outcome_class or OutcomeClass.USER,
        ended_at=now,
        succeeded=reading.state is RunState.COMPLETED,
        retryable=not (before.abort is not None and before.abort.by_user),
    )
    after = after_attempt(before.retry, before.attempt, outcome)
    status = _ended(before, after.state, now)
    status = replace(
        status,
        reason=reading.reason,
        message=_cut(reading.message),
        status_text=describe(reading),
        outcome_class=None if outcome.succeeded else outcome.outcome_class,
        exit_code=reading.exit_code,
        container=reading.container or None,
        not_before=after.not_before,
        roles=count_states([RoleReading(Role.MAIN, 0, reading)]),
        pods=(_pod_ref(known, pod),) if pod is not None else before.pods,
    )
    completed = after.state is RunState.COMPLETED
    return _publish(EventType.COMPLETED if completed else EventType.ATTEMPT_FAILED, status)


def aborted_event(known: Known, now: datetime, *, may_still_run_on: str = "") -> Publish:
    """Return the event of an abort that is done: nothing of the attempt is left."""
    before = known.status
    cause = before.abort or AbortCause(by="")
    outcome = AttemptOutcome(
        state=cause.state or RunState.ABORTING,
        reason=cause.reason,
        outcome_class=OutcomeClass.USER,
        ended_at=now,
        aborted=True,
        retryable=_may_go_on(cause, before, now) and not may_still_run_on,
    )
    after = after_attempt(before.retry, before.attempt, outcome)
    text = abort_text(cause)
    if may_still_run_on:
        text += f"; it may still run on node {may_still_run_on}, which does not answer"
    status = replace(
        _ended(before, after.state, now),
        reason=cause.reason,
        message=cause.message,
        status_text=text,
        outcome_class=OutcomeClass.USER,
        not_before=after.not_before,
        roles={},
    )
    aborted = after.state is RunState.ABORTED
    return _publish(EventType.ABORTED if aborted else EventType.ATTEMPT_FAILED, status)


def _may_go_on(cause: AbortCause, before: RunStatus, now: datetime) -> bool:
    """Say whether a retry policy has a say about an abort.

    Not about a user's, nor where no attempt was under way (it would wait, be aborted and wait for
    ever), nor after the limit on the whole run.
    """
    had_attempt = cause.state in OBJECT_STATES
    return had_attempt and not cause.by_user and not is_total_over(before, now)


def lost_reading(known: Known) -> Reading:
    """Return the reading of an attempt whose pod was never seen and is not there."""
    if known.foreign_uid:
        reason, outcome_class = Reason.OBJECT_NOT_OURS, OutcomeClass.USER
        message = "an object of the same name exists and does not belong to this run"
    else:
        reason, outcome_class = Reason.POD_LOST, OutcomeClass.INFRASTRUCTURE
        message = "the pod is not in the cluster any more"
    return Reading(
        state=RunState.ERROR,
        reason=reason.value,
        message=message,
        outcome_class=outcome_class,
        ended=True,
        pod_ended=True,
        node_name=next((each.node for each in known.status.pods if each.node), ""),
    )


def will_retry(known: Known, reading: Reading, pod: PodSeen, now: datetime) -> bool:
    """Say whether another attempt would follow this end."""
    status = end_event(known, reading, pod, now).event.status
    return status.state is RunState.RETRYING


def _ended(before: RunStatus, state: RunState, now: datetime) -> RunStatus:
    return replace(before, state=state, since=now, deadline=None, deadline_of=None)


def _ended_in(before: RunStatus) -> RunState:
    """Return the state in which an attempt ended, as retry policies name it."""
    if before.state is RunState.ABORTING and before.abort is not None and before.abort.state:
        return before.abort.state
    return before.state


def _pod_ref(known: Known, pod: PodSeen) -> PodRef:
    node = pod.reading.node_name or None
    return PodRef(name=pod.name, uid=pod.uid, node=node, spot=known.is_spot(pod))


def _publish(event_type: EventType, status: RunStatus) -> Publish:
    return Publish(event_type, EVENT_STRUCTS[event_type](status=status))


def _cut(text: str) -> str:
    return text if len(text) <= MESSAGE_CHARACTERS_MAX else text[: MESSAGE_CHARACTERS_MAX - 1] + "…"
