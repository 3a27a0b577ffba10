"""PURE: whether an admitted run is still to be created, and how its story goes on."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from runbus.contracts.states import EventType, OutcomeClass, Reason, RunState
from runbus.contracts.status import PodRef, RunStatus
from runbus.contracts.texts import cut
from runbus.contracts.transitions import AttemptOutcome, after_attempt
from runbus.pod_launcher.model import Create, Decision, Drop


def decide(admitted: RunStatus, newest: RunStatus | None, newest_type: str) -> Decision:
    """Say whether to create, from the message and from where the run stands now."""
    if newest is None:
        return Drop("unknown run")
    if newest.state is not RunState.ADMITTED or newest.attempt != admitted.attempt:
        return Drop(f"run is {newest.state.value}")
    if newest_type == EventType.LAUNCHED.value:
        return Drop("already launched")
    return Create()


def launched(before: RunStatus, pods: tuple[PodRef, ...]) -> RunStatus:
    """Return the status of a run whose objects exist; its state stays."""
    return replace(before, pods=pods, status_text="admitted: its objects exist")


def refused(before: RunStatus, server_message: str, now: datetime) -> RunStatus:
    """Return the status of a run whose objects the API server refused, in the server's words."""
    outcome = AttemptOutcome(
        state=RunState.ADMITTED,
        reason=Reason.LAUNCH_REFUSED.value,
        outcome_class=OutcomeClass.USER,
        ended_at=now,
    )
    after = after_attempt(before.retry, before.attempt, outcome)
    return replace(
        before,
        state=after.state,
        since=now,
        not_before=after.not_before,
        reason=outcome.reason,
        message=cut(server_message),
        status_text=cut(f"Kubernetes refused it: {server_message}"),
        outcome_class=outcome.outcome_class,
        deadline=None,
        deadline_of=None,
    )
