"""How a pod ended, or will: by whose fault, for which reason, and whether by itself.

Phase Succeeded or Failed wins over what containers still say; otherwise a container's end counts
only where the kubelet will not restart it. Must not know: retries, aborts, or which attempt it was.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from runbus.contracts.states import OutcomeClass, Reason, RunState
from runbus.reading.containers import Container, Containers, exit_text, first_start, real_time
from runbus.reading.model import EndsAs, Reading
from runbus.reading.objects import Condition, Pod, Terminated

INFRASTRUCTURE_REASONS = frozenset(
    {
        "Evicted",
        "Preempting",
        "Terminated",
        "NodeShutdown",
        "Shutdown",  # NodeShutdown's name in kubelets before 1.22
        "NodeLost",
        "NodeAffinity",
        "UnexpectedAdmissionError",
    }
)


def read_end(pod: Pod, containers: Containers) -> Reading | None:
    """Read how the attempt ended; None while it has not."""
    if pod.status.phase == "Succeeded":
        return _completed(containers, pod_ended=True)
    if pod.status.phase == "Failed":
        return _failed(pod, containers, _culprit(containers), pod_ended=True)
    main = containers.main
    if main.terminated is not None and _is_final(pod, main, main.terminated):
        if main.terminated.exit_code == 0:
            return _completed(containers, pod_ended=False)
        return _failed(pod, containers, main, pod_ended=False)
    for each in containers.before:
        end = each.terminated
        if end is not None and end.exit_code != 0 and _is_final(pod, each, end):
            return _failed(pod, containers, each, pod_ended=False)
    return None


def ends_as(pod: Pod) -> EndsAs | None:
    """Tell how a pod that still shows a state will count: it is being deleted, or disrupted."""
    disruption = disruption_of(pod)
    if disruption is not None or is_infrastructure(pod.status.reason):
        reason = pod.status.reason or _reason_of(disruption)
        message = pod.status.message or (disruption.message if disruption else "")
        return EndsAs(RunState.ERROR, reason, OutcomeClass.INFRASTRUCTURE, message)
    if pod.metadata.deletion_timestamp is None:
        return None
    return EndsAs(
        RunState.ERROR,
        Reason.POD_DELETED.value,
        OutcomeClass.USER,
        "the pod was deleted by somebody",
    )


def ended_on_its_own(reading: Reading) -> bool:
    """Whether an attempt ended before anybody asked for its pod's deletion.

    Both times are floored to a second, so an end within the same second counts as ours: a program
    that exits 0 on our SIGTERM was aborted. An end without a time, in a deleted pod, is ours too,
    and so is one that nobody saw.
    """
    if not reading.ended or reading.vanished:
        return False
    if reading.deleted_at is None:
        return True
    if reading.finished_at is None:
        return False
    return reading.finished_at.replace(microsecond=0) < reading.deleted_at.replace(microsecond=0)


def reading_with_spot(reading: Reading, *, is_spot: bool | None) -> Reading:
    """Name the reclaim where the platform ended an attempt whose node was a spot node.

    Every end of class infrastructure counts, whatever Kubernetes calls it (states.md section 2):
    a cloud that takes a node away shows in many ways, of which an eviction or a pod that vanished
    are two. Kubernetes' own word stays in the message. None: nobody knows what sort of node it was.
    """
    if not is_spot or not reading.ended:
        return reading
    if reading.outcome_class is not OutcomeClass.INFRASTRUCTURE:
        return reading
    told = ": ".join(each for each in (reading.reason, reading.message) if each)
    where = f"spot node {reading.node_name}" if reading.node_name else "a spot node"
    return replace(
        reading,
        reason=Reason.SPOT_RECLAIMED.value,
        message=f"lost its place on {where} ({told})",
    )


def deleted_at(pod: Pod) -> datetime | None:
    """Find when the deletion was asked for: Kubernetes stores that moment plus the grace."""
    moment = pod.metadata.deletion_timestamp
    if moment is None:
        return None
    try:
        return moment - timedelta(seconds=pod.metadata.deletion_grace_period_seconds or 0)
    except OverflowError:
        return moment


def disruption_of(pod: Pod) -> Condition | None:
    """Find the DisruptionTarget condition: the platform ends this pod. Only status True counts."""
    for each in pod.status.conditions:
        if each.type == "DisruptionTarget" and each.status == "True":
            return each
    return None


def is_infrastructure(status_reason: str) -> bool:
    """Whether a pod's `status.reason` blames the platform."""
    return status_reason in INFRASTRUCTURE_REASONS or status_reason.startswith("OutOf")


def _is_final(pod: Pod, container: Container, end: Terminated) -> bool:
    """Whether the kubelet leaves it at this end; a pod being deleted is never restarted."""
    if container.is_sidecar:
        return False
    if pod.metadata.deletion_timestamp is not None:
        return True
    match container.spec.restart_policy or pod.spec.restart_policy:
        case "Never":
            return True
        case "OnFailure":
            return end.exit_code == 0
        case _:
            return False


def _culprit(containers: Containers) -> Container | None:
    """Find the container that a Failed pod failed by: main, else one before it, else one beside."""
    for each in (containers.main, *containers.before, *containers.beside):
        if each.terminated is not None and each.terminated.exit_code != 0:
            return each
    return containers.main if containers.main.terminated is not None else None


def _completed(containers: Containers, *, pod_ended: bool) -> Reading:
    main = containers.main
    end = main.terminated
    finished = real_time(end.finished_at) if end else None
    return Reading(
        state=RunState.COMPLETED,
        reason=(end.reason if end else "") or Reason.COMPLETED.value,
        message=end.message if end else "",
        container=main.name,
        image=main.spec.image,
        exit_code=end.exit_code if end else None,
        started_at=first_start(main),
        finished_at=finished,
        own_timestamp=finished,
        ended=True,
        pod_ended=pod_ended,
    )


def _failed(
    pod: Pod, containers: Containers, culprit: Container | None, *, pod_ended: bool
) -> Reading:
    shown = culprit or containers.main
    end = culprit.terminated if culprit else None
    disruption = disruption_of(pod)
    finished = real_time(end.finished_at) if end else None
    disrupted_at = real_time(disruption.last_transition_time) if disruption else None
    blamed = disruption is not None or is_infrastructure(pod.status.reason)
    failed = Reading(
        state=RunState.ERROR,
        reason=pod.status.reason or _reason_of(disruption) or (end.reason if end else ""),
        message=_failure_text(pod, disruption, shown, end, is_main=shown is containers.main),
        outcome_class=OutcomeClass.INFRASTRUCTURE if blamed else OutcomeClass.USER,
        container=shown.name,
        image=shown.spec.image,
        of_main=shown is containers.main,
        exit_code=end.exit_code if end else None,
        started_at=first_start(shown),
        finished_at=finished,
        own_timestamp=finished or disrupted_at,
        ended=True,
        pod_ended=pod_ended,
        deleted_at=deleted_at(pod),
    )
    return _named(pod, failed)


def _named(pod: Pod, failed: Reading) -> Reading:
    """Give a failure without a reason of its own one; a program ended by a deletion has none."""
    if pod.status.reason or disruption_of(pod):
        return failed
    if failed.reason not in {"", "Error", "Completed"}:
        return failed
    if failed.deleted_at is not None and not ended_on_its_own(failed):
        text = "the pod was deleted by somebody" + (f"; {failed.message}" if failed.message else "")
        return replace(failed, reason=Reason.POD_DELETED.value, message=text)
    return replace(failed, reason=Reason.ERROR.value)


def _failure_text(
    pod: Pod,
    disruption: Condition | None,
    shown: Container,
    end: Terminated | None,
    *,
    is_main: bool,
) -> str:
    """Choose the message that belongs to the reason: of the pod, the disruption, the container."""
    from_container = exit_text(shown, end, is_main=is_main) if end else ""
    from_disruption = disruption.message if disruption else ""
    from_pod = pod.status.message
    if pod.status.reason:
        return from_pod or from_disruption or from_container
    if disruption is not None:
        return from_disruption or from_pod or from_container
    return from_container or from_pod


def _reason_of(disruption: Condition | None) -> str:
    return (disruption.reason or disruption.type) if disruption else ""
