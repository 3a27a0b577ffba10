"""PURE: whether a run is aborted, how an object is deleted, and when an abort is withdrawn."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from runbus.aborter.model import DeleteOrder, Drop, Store, Verdict
from runbus.contracts.commands import AbortRun
from runbus.contracts.deadlines import with_deadline
from runbus.contracts.states import PENDING_STATES, Reason, Role, RunState
from runbus.contracts.status import AbortCause, RunStatus
from runbus.contracts.texts import WHO_CHARACTERS_MAX, cut
from runbus.reading.aborts import abort_text
from runbus.reading.explain import describe
from runbus.reading.late import cause_to_go
from runbus.reading.model import Reading, Sticky
from runbus.reading.objects import Pod
from runbus.reading.owners import attempt_of
from runbus.reading.pods import read_pod

# Aborts judged in these are fenced by resource version: a pod that waits has no heartbeats.
_FENCED_STATES = PENDING_STATES | {RunState.HELD}


def judge(
    command: AbortRun,
    status: RunStatus,
    sequence: int,
    *,
    asked_by: str,
    now: datetime,
) -> Verdict:
    """Say whether an abort command is carried out on the run as it stands.

    A threshold's command is fenced by attempt and sequence: if the run has moved on, it is
    dropped. A user's is carried out in any state, and over a threshold's abort.
    """
    if status.state.is_final:
        return Drop(f"run is {status.state.value}")
    if not command.by_user and (
        command.if_sequence != sequence or command.attempt != status.attempt
    ):
        return Drop("run moved on")
    if status.state is RunState.ABORTING:
        already_by_user = status.abort is not None and status.abort.by_user
        if already_by_user or not command.by_user:
            return Drop("run is aborting")
    return Store(_aborting(command, status, asked_by=asked_by, now=now))


def _aborting(command: AbortRun, before: RunStatus, *, asked_by: str, now: datetime) -> RunStatus:
    judged = before.state
    since = before.since
    if judged is RunState.ABORTING and before.abort is not None:
        judged, since = before.abort.state or judged, before.abort.since or since
    cause = AbortCause(
        by=cut(command.by or asked_by, WHO_CHARACTERS_MAX),
        by_user=command.by_user,
        reason=cut(command.reason or Reason.ABORTED_BY_USER.value, WHO_CHARACTERS_MAX),
        message=cut(command.message),
        state=judged,
        threshold=command.threshold,
        since=command.since or since,
        limit_s=command.limit_s,
        overdue_ms=command.overdue_ms,
        requested_at=command.requested_at or now,
    )
    return replace(
        before,
        state=RunState.ABORTING,
        since=now,
        reason=cause.reason,
        message=cause.message,
        status_text=abort_text(cause, verb="aborting"),
        deadline=None,
        deadline_of=None,
        not_before=None,
        abort=cause,
    )


def abort_order(status: RunStatus, pod: Pod) -> DeleteOrder | None:
    """Return the delete of an aborting run's pod; None where the pod may stay.

    A threshold's abort of a pod that waits is fenced by its resource version as well: it
    succeeds unless something has changed. Running pods change all the time: uid only. Pods of
    other attempts are no part of what was judged: a late one goes, by uid; one that has ended
    stays until the run's time to live has passed.
    """
    attempt = attempt_of(pod)
    if cause_to_go(status, attempt, read_pod(pod)) is None:
        return None
    cause = status.abort
    judged = attempt == status.attempt and cause is not None and not cause.by_user
    fenced = judged and cause is not None and cause.state in _FENCED_STATES
    meta = pod.metadata
    return DeleteOrder(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version if fenced else None,
    )


def sticky_of(status: RunStatus) -> Sticky | None:
    """Return the image state that was judged, for reading the pod the same way again."""
    if status.abort is not None and status.abort.state is RunState.IMAGE_PULL_BACKOFF:
        return Sticky(status.container or "", "", "")
    return None


def is_left(status: RunStatus, reading: Reading) -> bool:
    """Say whether the pod has left the state that a threshold's abort was judged in."""
    return status.abort is not None and reading.state is not status.abort.state


def withdrawn(before: RunStatus, reading: Reading, pod: Pod, now: datetime) -> RunStatus:
    """Return the status of a run whose abort came too late: the state found."""
    node = pod.spec.node_name or None
    status = replace(
        before,
        state=reading.state,
        since=now,
        reason=reading.reason,
        message=cut(reading.message),
        status_text=describe(reading),
        container=reading.container or None,
        roles={Role.MAIN.value: {reading.state.value: 1}},
        pods=tuple(replace(ref, node=node) for ref in before.pods),
        abort=None,
    )
    return with_deadline(status)
