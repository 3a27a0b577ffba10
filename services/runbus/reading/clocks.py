"""PURE: a pod's times by our clock, where the cluster's is another.

Node and API server are taken to agree; what differs is the cluster's clock and ours (ADR-0030).
Must not know: how the difference was found.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from runbus.reading.objects import (
    Condition,
    ContainerState,
    ContainerStatus,
    Pod,
    Running,
    Terminated,
)


def by_our_clock(pod: Pod, offset: timedelta) -> Pod:
    """Return a pod with its times as our clock would have shown them.

    Args:
        pod: as the API server gave it.
        offset: the cluster's clock less ours.

    """
    if not offset:
        return pod
    meta, status = pod.metadata, pod.status
    return replace(
        pod,
        metadata=replace(
            meta,
            creation_timestamp=_here(meta.creation_timestamp, offset),
            deletion_timestamp=_here(meta.deletion_timestamp, offset),
        ),
        status=replace(
            status,
            conditions=tuple(_condition(each, offset) for each in status.conditions),
            container_statuses=_containers(status.container_statuses, offset),
            init_container_statuses=_containers(status.init_container_statuses, offset),
        ),
    )


def _condition(condition: Condition, offset: timedelta) -> Condition:
    at = _here(condition.last_transition_time, offset)
    return replace(condition, last_transition_time=at)


def _containers(
    containers: tuple[ContainerStatus, ...], offset: timedelta
) -> tuple[ContainerStatus, ...]:
    return tuple(
        replace(each, state=_state(each.state, offset), last_state=_state(each.last_state, offset))
        for each in containers
    )


def _state(state: ContainerState, offset: timedelta) -> ContainerState:
    running, ended = state.running, state.terminated
    return replace(
        state,
        running=Running(_here(running.started_at, offset)) if running else None,
        terminated=_end(ended, offset) if ended else None,
    )


def _end(ended: Terminated, offset: timedelta) -> Terminated:
    return replace(
        ended,
        started_at=_here(ended.started_at, offset),
        finished_at=_here(ended.finished_at, offset),
    )


def _here(moment: datetime | None, offset: timedelta) -> datetime | None:
    try:
        return moment - offset if moment is not None else None
    except OverflowError:  # year 1, which stands for "never"
        return moment
