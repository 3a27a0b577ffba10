"""The transition table of a run, as data, and what follows the end of an attempt.

One transition is one event, stored with compare-and-set on the run's last sequence. Every
publisher checks its event against this table before it publishes, so that a mistake in a
service is a loud error there and never an illegal history on the bus.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from runbus.contracts.states import (
    FINAL_STATES,
    OBJECT_STATES,
    EventType,
    OutcomeClass,
    Reason,
    RunState,
)
from runbus.contracts.status import RetryPolicy, RunStatus

_S = RunState


class Publisher(StrEnum):
    """The services that publish events of runs."""

    SPEC_VALIDATOR = "spec-validator"
    SCHEDULER = "scheduler"
    POD_LAUNCHER = "pod-launcher"
    STATE_WATCHER = "state-watcher"
    ABORTER = "aborter"


ANY_PUBLISHER = frozenset(Publisher)
NOTHING = None  # the state of a run that has no event yet

LIVE_STATES = frozenset(_S) - FINAL_STATES - {_S.UNKNOWN}


class Transition(Struct, frozen=True):
    """One row: from these states, this event leads to one of those; published by these.

    Where `reason` is set, the row holds for that reason code only.
    """

    event: EventType
    sources: frozenset[RunState | None]
    targets: frozenset[RunState]
    publishers: frozenset[Publisher]
    reason: Reason | None = None


def _row(
    event: EventType,
    sources: frozenset[RunState | None] | frozenset[RunState],
    targets: set[RunState],
    *publishers: Publisher,
    reason: Reason | None = None,
) -> Transition:
    return Transition(event, frozenset(sources), frozenset(targets), frozenset(publishers), reason)


_VALIDATOR, _SCHEDULER = Publisher.SPEC_VALIDATOR, Publisher.SCHEDULER
_LAUNCHER, _WATCHER, _ABORTER = (
    Publisher.POD_LAUNCHER,
    Publisher.STATE_WATCHER,
    Publisher.ABORTER,
)
_NEW: frozenset[RunState | None] = frozenset({NOTHING})
_WAITING = frozenset({_S.ACCEPTED, _S.QUEUED, _S.RETRYING})
_BEFORE_OBJECTS = frozenset({_S.ACCEPTED, _S.QUEUED, _S.ADMITTED})
_ENDED_BADLY = {_S.RETRYING, _S.ERROR}

TRANSITIONS: tuple[Transition, ...] = (
    _row(EventType.ACCEPTED, _NEW, {_S.ACCEPTED}, _VALIDATOR),
    _row(EventType.REJECTED, _NEW, {_S.REJECTED}, _VALIDATOR),
    _row(EventType.QUEUED, _WAITING, {_S.QUEUED}, _SCHEDULER),
    _row(EventType.ADMITTED, _WAITING, {_S.ADMITTED}, _SCHEDULER),
    _row(EventType.LAUNCHED, frozenset({_S.ADMITTED}), {_S.ADMITTED}, _LAUNCHER),
    _row(EventType.LAUNCH_FAILED, frozenset({_S.ADMITTED}), _ENDED_BADLY, _LAUNCHER),
    _row(EventType.HELD, OBJECT_STATES, {_S.HELD}, _WATCHER),
    _row(EventType.PENDING_NOT_SCHEDULED, OBJECT_STATES, {_S.PENDING_NOT_SCHEDULED}, _WATCHER),
    _row(EventType.PENDING_SCHEDULED, OBJECT_STATES, {_S.PENDING_SCHEDULED}, _WATCHER),
    _row(EventType.IMAGE_PULL_BACKOFF, OBJECT_STATES, {_S.IMAGE_PULL_BACKOFF}, _WATCHER),
    _row(EventType.RUNNING, OBJECT_STATES, {_S.RUNNING}, _WATCHER),
    _row(EventType.DEADLINE_CHANGED, LIVE_STATES, set(LIVE_STATES), _WATCHER),
    _row(EventType.COMPLETED, OBJECT_STATES | {_S.ABORTING}, {_S.COMPLETED}, _WATCHER),
    _row(EventType.ATTEMPT_FAILED, OBJECT_STATES | {_S.ABORTING}, _ENDED_BADLY, _WATCHER),
    # Whoever puts a run's message among the dead letters ends the run that it belonged to.
    _row(
        EventType.ATTEMPT_FAILED,
        _BEFORE_OBJECTS,
        {_S.ERROR},
        *ANY_PUBLISHER,
        reason=Reason.INTERNAL_ERROR,
    ),
    _row(EventType.ABORTING, LIVE_STATES, {_S.ABORTING}, _ABORTER),
    _row(
        EventType.ABORT_WITHDRAWN,
        frozenset({_S.ABORTING}),
        set(OBJECT_STATES),
        _ABORTER,
    ),
    _row(EventType.ABORTED, frozenset({_S.ABORTING}), {_S.ABORTED}, _WATCHER),
)

# Events that report something without a change of state.
_STATE_KEEPING = frozenset({EventType.LAUNCHED, EventType.DEADLINE_CHANGED})


class IllegalTransitionError(Exception):
    """An event that the table does not allow; a mistake of the publisher, never the user's."""


def check_transition(
    before: RunStatus | None, event: EventType, after: RunStatus, publisher: Publisher
) -> None:
    """Check one event against the table.

    Raises:
        IllegalTransitionError: with both states, the event and the publisher.

    """
    problem = _problem(before, event, after, publisher)
    if problem is not None:
        came_from = before.state.value if before is not None else "(nothing)"
        message = (
            f"run {after.run_id}: {event.value} from {came_from} to {after.state.value}"
            f" by {publisher.value}: {problem}"
        )
        raise IllegalTransitionError(message)


def _problem(
    before: RunStatus | None, event: EventType, after: RunStatus, publisher: Publisher
) -> str | None:
    state = before.state if before is not None else None
    rows = [row for row in TRANSITIONS if row.event is event and state in row.sources]
    if not rows:
        return "not allowed from that state"
    rows = [row for row in rows if after.state in row.targets]
    if not rows:
        return "does not lead there"
    rows = [row for row in rows if publisher in row.publishers]
    if not rows:
        return "not this publisher's event"
    if all(row.reason not in (None, after.reason) for row in rows):
        return f"not with the reason {after.reason!r}"
    if before is None:
        return None if after.attempt == 0 else "must not open an attempt"
    return _beyond_the_table(before, event, after)


def _beyond_the_table(before: RunStatus, event: EventType, after: RunStatus) -> str | None:
    """Return what the rows cannot say: rules that look at more than two states."""
    if (after.project, after.run_id) != (before.project, before.run_id):
        return "must keep the run"
    if event in _STATE_KEEPING and after.state is not before.state:
        return "must not change the state"
    if event is EventType.ADMITTED:
        return None if after.attempt == before.attempt + 1 else "must open the next attempt"
    if after.attempt != before.attempt:
        return "must keep the attempt"
    if event is EventType.QUEUED and before.state is RunState.QUEUED:
        return "must have news in its reason code" if after.reason == before.reason else None
    if before.state is not RunState.ABORTING:
        return None
    if event is EventType.ABORTING and (_by_user(before) or not _by_user(after)):
        return "only a user's abort follows, and only a threshold's"
    if event is EventType.ABORT_WITHDRAWN and _by_user(before):
        return "a user's abort is never withdrawn"
    return None


def _by_user(status: RunStatus) -> bool:
    return status.abort is not None and status.abort.by_user


class AttemptOutcome(Struct, frozen=True, kw_only=True):
    """How an attempt ended, as `after_attempt` judges it.

    `state` is the state in which it ended (retry policies may name it); `kube_reason` Kubernetes'
    own word where `reason` is another (SpotReclaimed); `succeeded` means exit code 0; `aborted`
    that we deleted it; `retryable` is False for ends that no policy may retry: users' aborts,
    images that can never be pulled, and pods that may still run on a lost node.
    """

    state: RunState
    reason: str
    outcome_class: OutcomeClass
    ended_at: datetime
    kube_reason: str = ""
    succeeded: bool = False
    aborted: bool = False
    retryable: bool = True


class AfterAttempt(Struct, frozen=True):
    """The state that follows an attempt; `not_before` only for retrying."""

    state: RunState
    not_before: datetime | None = None


def after_attempt(policy: RetryPolicy, attempt: int, outcome: AttemptOutcome) -> AfterAttempt:
    """Say whether a run goes on after an attempt, and in which state.

    A policy matches by class, by the state in which the attempt ended, or by reason. The n-th
    retry waits `backoff_s` doubled n-1 times, at most `backoff_max_s`.
    """
    if outcome.succeeded:
        return AfterAttempt(RunState.COMPLETED)
    if _is_retried(policy, attempt, outcome):
        doubled = policy.backoff_s * 2 ** min(attempt - 1, 62)
        wait = timedelta(seconds=min(doubled, policy.backoff_max_s))
        return AfterAttempt(RunState.RETRYING, outcome.ended_at + wait)
    return AfterAttempt(RunState.ABORTED if outcome.aborted else RunState.ERROR)


_NEVER_RETRIED = frozenset(
    {
        Reason.ABORTED_BY_USER.value,
        Reason.IMAGE_NEVER_PULLABLE.value,
        Reason.INTERNAL_ERROR.value,
    }
)


def _is_retried(policy: RetryPolicy, attempt: int, outcome: AttemptOutcome) -> bool:
    if not outcome.retryable or outcome.reason in _NEVER_RETRIED or attempt > policy.limit:
        return False
    names = {outcome.outcome_class.value, outcome.state.value, outcome.reason, outcome.kube_reason}
    return not names.isdisjoint(policy.on)
