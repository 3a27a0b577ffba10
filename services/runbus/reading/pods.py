"""From one pod, as it is now, to a state of its run (docs/ARCHITECTURE.md).

`read_pod` reads a pod that is there, `read_gone` one that vanished. Both judge by the whole object,
never by what changed. Must not know: the run's state before (but for the sticky image state),
clocks, thresholds, spot nodes (`ends.reading_with_spot`), or how pods make up a run (`runs`).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from runbus.contracts.states import OutcomeClass, Reason, RunState
from runbus.reading.containers import (
    MAIN_NAMES,
    Container,
    Containers,
    containers_of,
    exit_text,
    first_start,
    real_time,
)
from runbus.reading.ends import deleted_at, ends_as, read_end
from runbus.reading.images import read_image_wait
from runbus.reading.model import EndsAs, Reading, Sticky
from runbus.reading.objects import Condition, Pod

__all__ = ["EndsAs", "Reading", "Sticky", "read_gone", "read_pod"]


def read_pod(
    pod: Pod, before: Sticky | None = None, *, main_names: Sequence[str] = MAIN_NAMES
) -> Reading:
    """Read the state that a pod shows.

    `before` is the image state recorded for this pod (`Reading.sticky` of the last look), or None.
    `main_names` are the names that the kind gives its main container, first match wins.
    """
    containers = containers_of(pod, main_names)
    ended = read_end(pod, containers)
    reading = ended or _read_alive(pod, containers, before)
    return replace(
        reading,
        node_name=pod.spec.node_name,
        is_deleting=pod.metadata.deletion_timestamp is not None,
        deleted_at=deleted_at(pod),
        ends_as=None if ended else ends_as(pod),
    )


def read_gone(pod: Pod, *, main_names: Sequence[str] = MAIN_NAMES) -> Reading:
    """Read a pod that is not in the cluster any more from how it was last seen.

    An end that was seen stays as it was. Otherwise: disrupted or lost with its node, deleted by
    somebody (PodDeleted, class user), or vanished for no reason seen (PodLost, infrastructure).
    """
    return gone(read_pod(pod, main_names=main_names))


def gone(seen: Reading) -> Reading:
    """Turn the last reading of a pod into what it counts as, now that the pod is gone."""
    if seen.ended:
        return replace(seen, pod_ended=True)
    ending = seen.ends_as or EndsAs(
        RunState.ERROR,
        Reason.POD_LOST.value,
        OutcomeClass.INFRASTRUCTURE,
        "the pod vanished without having ended",
    )
    return Reading(
        state=ending.state,
        reason=ending.reason,
        message=ending.message,
        outcome_class=ending.outcome_class,
        container=seen.container,
        image=seen.image,
        of_main=seen.of_main,
        started_at=seen.started_at,
        ended=True,
        pod_ended=True,
        node_name=seen.node_name,
        is_deleting=seen.is_deleting,
        deleted_at=seen.deleted_at,
        vanished=True,
    )


def _read_alive(pod: Pod, containers: Containers, before: Sticky | None) -> Reading:
    """Read a pod that has not ended. A main container that has started outweighs all else."""
    scheduled = next((each for each in pod.status.conditions if each.type == "PodScheduled"), None)
    running = _read_running(containers.main)
    if running is not None:
        return running
    if scheduled is None or scheduled.status != "True":
        return _read_not_scheduled(pod, containers.main, scheduled)
    return read_image_wait(containers, before) or _read_scheduled(containers, scheduled)


def _read_running(main: Container) -> Reading | None:
    """Read a main container that runs, or that its kubelet restarts; None if it never started."""
    end = main.last_end
    if main.running is not None:
        reason, message = "", ""
    elif main.terminated is not None:
        reason = main.terminated.reason or Reason.ERROR.value
        message = exit_text(main, main.terminated, is_main=True) + "; it is restarted"
    elif main.waiting_reason == "CrashLoopBackOff":
        reason = main.waiting_reason
        last = f"last {exit_text(main, end, is_main=True)}" if end else main.waiting_message
        message = f"keeps ending, {main.status.restart_count} restarts; {last}"
    else:
        return None
    started = first_start(main)
    return Reading(
        state=RunState.RUNNING,
        reason=reason,
        message=message,
        container=main.name,
        image=main.spec.image,
        started_at=started,
        own_timestamp=started,
    )


def _read_not_scheduled(pod: Pod, main: Container, scheduled: Condition | None) -> Reading:
    gates = [each.name for each in pod.spec.scheduling_gates]
    if gates:
        return Reading(
            state=RunState.HELD,
            reason="SchedulingGated",
            message=f"held by scheduling gate {', '.join(gates)}",
            container=main.name,
            image=main.spec.image,
        )
    unseen = (
        f"not yet taken by the kubelet of node {pod.spec.node_name}"
        if pod.spec.node_name
        else "not seen by a scheduler yet"
    )
    return Reading(
        state=RunState.PENDING_NOT_SCHEDULED,
        reason=scheduled.reason if scheduled else "",
        message=scheduled.message if scheduled else unseen,
        container=main.name,
        image=main.spec.image,
        own_timestamp=real_time(pod.metadata.creation_timestamp),
    )


def _read_scheduled(containers: Containers, scheduled: Condition) -> Reading:
    """Read a pod that has its node and whose main container has yet to start.

    Counts from its scheduling; where main has run before (its sandbox was made anew), from the end
    of that, so that the hours it ran are not taken for hours of waiting.
    """
    container, reason, message = _hindrance(containers)
    last = containers.main.status.last_state.terminated
    moments = [
        real_time(scheduled.last_transition_time),
        real_time(last.finished_at) if last else None,
    ]
    return Reading(
        state=RunState.PENDING_SCHEDULED,
        reason=reason,
        message=message,
        container=container.name,
        image=container.spec.image,
        of_main=container is containers.main,
        own_timestamp=max((each for each in moments if each is not None), default=None),
    )


def _hindrance(containers: Containers) -> tuple[Container, str, str]:
    """Find the container that the pod waits for now, with reason and message."""
    for each in containers.before:
        end = each.last_end
        if each.terminated is not None:
            if each.terminated.exit_code == 0 and not each.is_sidecar:
                continue
            reason = each.terminated.reason or Reason.ERROR.value
            return each, reason, exit_text(each, each.terminated, is_main=False)
        if each.running is not None:
            if each.is_sidecar:
                continue
            return each, "PodInitializing", f"{each.title} is running"
        if each.waiting_reason == "CrashLoopBackOff" and end is not None:
            told = f"{exit_text(each, end, is_main=False)}, {each.status.restart_count} restarts"
            return each, each.waiting_reason, told
        if each.waiting_reason not in {"", "PodInitializing"}:
            return each, each.waiting_reason, each.waiting_message
    main = containers.main
    return main, main.waiting_reason, main.waiting_message
