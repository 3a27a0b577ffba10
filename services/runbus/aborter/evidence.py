"""Collect the evidence of an attempt: what its pods, containers, events and node said last.

What is missing is named in `problems`, never a reason to fail: evidence is for people. It must
not know what becomes of the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from runbus.aborter.cluster import Cluster
from runbus.contracts import labels
from runbus.contracts.evidence import (
    ContainerEvidence,
    KubeEventEvidence,
    NodeEvidence,
    PodEvidence,
    RunEvidence,
)
from runbus.contracts.status import RunStatus
from runbus.reading.objects import Condition, KubeEvent, Node
from runbus.runtime.kube import KubeError

LOG_BYTES_MAX = 128 * 1024
EVIDENCE_BYTES_MAX = 512 * 1024
KUBE_EVENTS_MAX = 20
TEXT_CHARACTERS_MAX = 4000


async def collect(
    cluster: Cluster,
    status: RunStatus,
    names: Iterable[str],
    *,
    cause: str,
    log_lines: int,
    now: datetime,
) -> RunEvidence:
    """Return the evidence of some pods of a run's current attempt.

    Args:
        cluster: where the pods are.
        status: the run's.
        names: the pods' names.
        cause: `aborting` or `ended`.
        log_lines: kept of each container's log.
        now: the time of day.

    """
    problems: list[str] = []
    pods: list[PodEvidence] = []
    kube_events: list[KubeEvent] = []
    async with asyncio.TaskGroup() as tasks:
        for name in names:
            tasks.create_task(
                _collect_pod(cluster, status, name, log_lines, pods, kube_events, problems)
            )
    node_name = next((pod.node for pod in pods if pod.node), "")
    node = await _collect_node(cluster, node_name, problems) if node_name else None
    evidence = RunEvidence(
        run_id=status.run_id,
        project=status.project,
        attempt=status.attempt,
        cause=cause,
        collected_at=now,
        pods=tuple(sorted(pods, key=lambda pod: pod.name)),
        kube_events=_newest(kube_events),
        node=node,
        problems=tuple(problems),
    )
    return _within_size(evidence)


async def _collect_pod(
    cluster: Cluster,
    status: RunStatus,
    name: str,
    log_lines: int,
    pods: list[PodEvidence],
    kube_events: list[KubeEvent],
    problems: list[str],
) -> None:
    try:
        raw = await cluster.raw_pod(status.namespace, name)
        if raw is None:
            problems.append(f"pod {name} was not there any more")
            return
        pod = msgspec.json.decode(raw)
        uid = str(pod["metadata"].get("uid", ""))
        kube_events.extend(await cluster.events_of(status.namespace, uid))
        containers = [
            await _collect_container(cluster, status.namespace, name, each, log_lines)
            for each in _container_statuses(pod)
        ]
        pods.append(_pod_evidence(pod, containers))
    except KubeError as error:
        problems.append(f"pod {name}: {error}")


async def _collect_container(
    cluster: Cluster, namespace: str, pod: str, found: dict[str, Any], log_lines: int
) -> ContainerEvidence:
    name = str(found.get("name", ""))
    evidence = ContainerEvidence(
        name=name,
        image=str(found.get("image", "")),
        state=found.get("state") or {},
        restart_count=int(found.get("restartCount") or 0),
    )
    if "waiting" in evidence.state and not evidence.restart_count:
        return evidence  # never started: there is no log
    try:
        tail = await cluster.log_tail(
            namespace, pod, name, lines=log_lines, bytes_max=LOG_BYTES_MAX + 1
        )
    except KubeError as error:
        return replace(evidence, log_problem=str(error))
    text = tail[-LOG_BYTES_MAX:].decode(errors="replace")
    truncated = len(tail) > LOG_BYTES_MAX or text.count("\n") >= log_lines
    return replace(evidence, log_tail=text, log_truncated=truncated)


def _container_statuses(pod: dict[str, Any]) -> list[dict[str, Any]]:
    status = pod.get("status") or {}
    return [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]


def _pod_evidence(pod: dict[str, Any], containers: list[ContainerEvidence]) -> PodEvidence:
    meta, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    return PodEvidence(
        name=str(meta.get("name", "")),
        uid=str(meta.get("uid", "")),
        role=(meta.get("labels") or {}).get(labels.ROLE, "main"),
        node=spec.get("nodeName") or "",
        phase=status.get("phase") or "",
        reason=status.get("reason") or "",
        message=(status.get("message") or "")[:TEXT_CHARACTERS_MAX],
        conditions=tuple(status.get("conditions") or ()),
        containers=tuple(containers),
    )


async def _collect_node(cluster: Cluster, name: str, problems: list[str]) -> NodeEvidence | None:
    try:
        node = await cluster.full_node(name)
    except KubeError as error:
        problems.append(f"node {name}: {error}")
        return None
    if node is None:
        problems.append(f"node {name} is gone or may not be read")
        return None
    ready = _ready(node)
    return NodeEvidence(
        name=name,
        labels=dict(node.metadata.labels),
        ready=ready.status if ready else "Unknown",
        message=ready.message if ready else "",
    )


def _ready(node: Node) -> Condition | None:
    return next((each for each in node.status.conditions if each.type == "Ready"), None)


def _newest(kube_events: list[KubeEvent]) -> tuple[KubeEventEvidence, ...]:
    """Return the last Kubernetes events, newest last."""
    dated = [(each.last_seen_at, each) for each in kube_events]
    ordered = sorted((at.timestamp() if at else 0.0, n) for n, (at, _) in enumerate(dated))
    newest = [dated[n] for _, n in ordered[-KUBE_EVENTS_MAX:]]
    return tuple(
        KubeEventEvidence(
            type=each.type,
            reason=each.reason,
            message=each.message[:TEXT_CHARACTERS_MAX],
            count=(each.series.count if each.series else each.count) or 1,
            last_seen=at,
        )
        for at, each in newest
    )


def _within_size(evidence: RunEvidence) -> RunEvidence:
    """Halve the logs, from their beginning, until the message fits."""
    while len(msgspec.json.encode(evidence)) > EVIDENCE_BYTES_MAX:
        longest = max(
            (len(each.log_tail or "") for pod in evidence.pods for each in pod.containers),
            default=0,
        )
        if longest < 2:
            return replace(evidence, pods=(), problems=(*evidence.problems, "too large to keep"))
        evidence = replace(
            evidence,
            pods=tuple(_with_shorter_logs(pod, longest // 2) for pod in evidence.pods),
        )
    return evidence


def _with_shorter_logs(pod: PodEvidence, characters_max: int) -> PodEvidence:
    containers = tuple(
        replace(each, log_tail=each.log_tail[-characters_max:], log_truncated=True)
        if each.log_tail is not None and len(each.log_tail) > characters_max
        else each
        for each in pod.containers
    )
    return replace(pod, containers=containers)
