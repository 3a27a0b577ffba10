"""PURE: whether an admitted run is still to be created, and how its story goes on."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from runbus.contracts.states import OutcomeClass, Reason, RunState
from runbus.contracts.status import PodRef, RunStatus
from runbus.contracts.texts import cut
from runbus.contracts.transitions import AttemptOutcome, after_attempt
from runbus.pod_launcher.model import Create, Decision, Drop, Refuse


def decide(
    admitted: RunStatus, newest: RunStatus | None, namespaces: tuple[str, ...] = ()
) -> Decision:
    """Say whether to create, from the message and from where the run stands now.

    Args:
        admitted: the message's.
        newest: the run's now; its pods are known once it has been launched, whatever its newest
            event is about.
        namespaces: those that are watched; empty is the whole cluster.

    """
    if newest is None:
        return Drop("unknown run")
    if newest.state is not RunState.ADMITTED or newest.attempt != admitted.attempt:
        return Drop(f"run is {newest.state.value}")
    if newest.pods:
        return Drop("already launched")
    if namespaces and newest.namespace not in namespaces:
        setting = f"RUNBUS_NAMESPACES={','.join(namespaces)}"
        return Refuse(
            f"nobody watches namespace {newest.namespace} ({setting}): add it to that setting of"
            " every service, or map the project to one of these in the defaults (namespaces)"
        )
    return Create()


def launched(before: RunStatus, pods: tuple[PodRef, ...]) -> RunStatus:
    """Return the status of a run whose objects exist; its state stays."""
    return replace(before, pods=pods, status_text="admitted: its objects exist")


def refused(before: RunStatus, message: str, now: datetime, *, by: str) -> RunStatus:
    """Return the status of a run whose objects are refused: by whom, and in whose words."""
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
        message=cut(message),
        status_text=cut(f"{by} refused it: {message}"),
        outcome_class=outcome.outcome_class,
        deadline=None,
        deadline_of=None,
    )
