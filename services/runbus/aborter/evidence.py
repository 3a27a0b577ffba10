"""Collect the evidence of an attempt: what its pods, containers, events and node said last.

What is missing is named in `problems`, never a reason to fail: evidence is for people. It must
not know what becomes of the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from runbus.aborter.cluster import Cluster
from runbus.contracts import labels
from runbus.contracts.evidence import (
    ContainerEvidence,
    EvidenceCause,
    KubeEventEvidence,
    NodeEvidence,
    PodEvidence,
    RunEvidence,
)
from runbus.contracts.status import RunStatus
from runbus.contracts.texts import cut
from runbus.reading.objects import Condition, KubeEvent, Node
from runbus.runtime.kube import KubeError, KubeUnavailableError

LOG_BYTES_MAX = 128 * 1024
EVIDENCE_BYTES_MAX = 512 * 1024
KUBE_EVENTS_MAX = 20
TEXT_CHARACTERS_MAX = 4000
PROBLEMS_MAX = 50
PROBLEM_CHARACTERS_MAX = 500


class Collection:
    """The evidence of some pods of one attempt, in the making.

    Each part is asked for by itself, and at once: what does not answer keeps nothing else away.
    `evidence` may be asked for at any time, also after `run` was cut short.
    """

    def __init__(
        self, cluster: Cluster, status: RunStatus, *, cause: EvidenceCause, log_lines: int
    ) -> None:
        self._cluster = cluster
        self._status = status
        self._cause = cause
        self._log_lines = log_lines
        self._pods: dict[str, PodEvidence] = {}
        self._containers: dict[tuple[str, str], ContainerEvidence] = {}
        self._kube_events: list[KubeEvent] = []
        self._node: NodeEvidence | None = None
        self._problems: list[str] = []
        self.is_unavailable = False  # something may be had by asking again

    def know(self, raw_pods: Iterable[bytes]) -> None:
        """Take what the API server has said of some pods."""
        for raw in raw_pods:
            self._know(msgspec.json.decode(raw))

    async def run(self, names: Iterable[str] = ()) -> None:
        """Ask for everything that is missing: of the pods known, and of those named besides."""
        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(self._ask_pod(name))
        async with asyncio.TaskGroup() as tasks:
            for pod in self._pods.values():
                tasks.create_task(self._ask_events(pod))
            for name, container in self._containers:
                tasks.create_task(self._ask_log(name, container))
            node = next((pod.node for pod in self._pods.values() if pod.node), "")
            if node:
                tasks.create_task(self._ask_node(node))

    def problem(self, text: str) -> None:
        """Note what could not be had."""
        if len(self._problems) < PROBLEMS_MAX:
            self._problems.append(cut(text, PROBLEM_CHARACTERS_MAX))

    def evidence(self, now: datetime) -> RunEvidence:
        """Return what there is."""
        status = self._status
        pods = sorted(self._pods.values(), key=lambda pod: pod.name)
        return _within_size(
            RunEvidence(
                run_id=status.run_id,
                project=status.project,
                attempt=status.attempt,
                cause=self._cause.value,
                collected_at=now,
                pods=tuple(replace(pod, containers=self._containers_of(pod)) for pod in pods),
                kube_events=_newest(self._kube_events),
                node=self._node,
                problems=tuple(self._problems),
            )
        )

    def _containers_of(self, pod: PodEvidence) -> tuple[ContainerEvidence, ...]:
        return tuple(found for (name, _), found in self._containers.items() if name == pod.name)

    def _know(self, raw: dict[str, Any]) -> None:
        pod = _pod_evidence(raw)
        self._pods[pod.name] = pod
        for status in _container_statuses(raw):
            container = _container_evidence(status)
            self._containers[pod.name, container.name] = container

    @contextmanager
    def _part(self, what: str) -> Iterator[None]:
        """Ask for one part within a block: where Kubernetes has none, that is a problem noted."""
        try:
            yield
        except KubeError as error:
            self._note(error)
            self.problem(f"{what}: {error}")

    def _note(self, error: KubeError) -> None:
        self.is_unavailable |= isinstance(error, KubeUnavailableError)

    async def _ask_pod(self, name: str) -> None:
        with self._part(f"pod {name}"):
            raw = await self._cluster.raw_pod(self._status.namespace, name)
            if raw is None:
                self.problem(f"pod {name} was not there any more")
            else:
                self._know(msgspec.json.decode(raw))

    async def _ask_events(self, pod: PodEvidence) -> None:
        with self._part(f"Kubernetes events of {pod.name}"):
            found = await self._cluster.events_of(self._status.namespace, pod.uid)
            self._kube_events.extend(found)

    async def _ask_log(self, pod: str, container: str) -> None:
        known = self._containers[pod, container]
        if "waiting" in known.state and not known.restart_count:
            return  # never started: there is no log
        self._containers[pod, container] = replace(known, log_problem="not read in time")
        try:
            tail = await self._cluster.log_tail(
                self._status.namespace,
                pod,
                container,
                lines=self._log_lines,
                bytes_max=LOG_BYTES_MAX + 1,
            )
        except KubeError as error:
            self._note(error)
            told = cut(str(error), PROBLEM_CHARACTERS_MAX)
            self._containers[pod, container] = replace(known, log_problem=told)
            return
        text = tail[-LOG_BYTES_MAX:].decode(errors="replace")
        truncated = len(tail) > LOG_BYTES_MAX or text.count("\n") >= self._log_lines
        self._containers[pod, container] = replace(known, log_tail=text, log_truncated=truncated)

    async def _ask_node(self, name: str) -> None:
        with self._part(f"node {name}"):
            node = await self._cluster.full_node(name)
            if node is None:
                self.problem(f"node {name} is gone or may not be read")
            else:
                self._node = _node_evidence(name, node)


def _container_evidence(found: dict[str, Any]) -> ContainerEvidence:
    return ContainerEvidence(
        name=str(found.get("name", "")),
        image=str(found.get("image", "")),
        state=found.get("state") or {},
        restart_count=int(found.get("restartCount") or 0),
    )


def _container_statuses(pod: dict[str, Any]) -> list[dict[str, Any]]:
    status = pod.get("status") or {}
    return [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]


def _pod_evidence(pod: dict[str, Any]) -> PodEvidence:
    meta, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    return PodEvidence(
        name=str(meta.get("name", "")),
        uid=str(meta.get("uid", "")),
        role=(meta.get("labels") or {}).get(labels.ROLE, "main"),
        node=spec.get("nodeName") or "",
        phase=status.get("phase") or "",
        reason=status.get("reason") or "",
        message=cut(status.get("message") or "", TEXT_CHARACTERS_MAX),
        conditions=tuple(status.get("conditions") or ()),
    )


def _node_evidence(name: str, node: Node) -> NodeEvidence:
    ready = _ready(node)
    return NodeEvidence(
        name=name,
        labels=dict(node.metadata.labels),
        ready=ready.status if ready else "Unknown",
        message=cut(ready.message, TEXT_CHARACTERS_MAX) if ready else "",
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
            message=cut(each.message, TEXT_CHARACTERS_MAX),
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
            problems = (*evidence.problems, "too large to keep")
            return replace(evidence, pods=(), kube_events=(), node=None, problems=problems)
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
