"""Ends pods that may not stay on their node, and removes those whose node is gone.

As the taint eviction controller and the pod garbage collector of kube-controller-manager do.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from runbus.localcluster.client import (
    STRATEGIC_MERGE_PATCH,
    ApiClient,
    Reflector,
    RequestRefused,
    ServerUnreachableError,
)
from runbus.localcluster.janitor.verdicts import stay_s
from runbus.localcluster.recorder import About, Recorder
from runbus.localcluster.rules.shapes import Meta, Node, Shape, Taint, Toleration
from runbus.localcluster.rules.timestamps import to_time

JsonObject = dict[str, Any]
_ENDED = ("Succeeded", "Failed")
_LOOK_S = 1.0
_SETTLED = (404, 409)
_TAINTED = ("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
_ORPHANED = ("DeletionByPodGC", "PodGC: node no longer exists")
_log = structlog.get_logger("janitor")


class _Spec(Shape, frozen=True):
    node_name: str | None = None
    tolerations: list[Toleration] | None = None


class _Status(Shape, frozen=True):
    phase: str | None = None


class BoundPod(Shape, frozen=True):
    """What is read of a pod here."""

    metadata: Meta = Meta()
    spec: _Spec = _Spec()
    status: _Status = _Status()


class Evictor:
    """Watches pods and nodes as long as ``run`` does."""

    def __init__(
        self,
        client: ApiClient,
        recorder: Recorder,
        now_s: Callable[[], float],
        orphan_grace_s: float,
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._now_s = now_s
        self._orphan_grace_s = orphan_grace_s
        self._pods: dict[str, BoundPod] = {}
        self._taints: dict[str, tuple[Taint, ...]] = {}
        self._tainted_since: dict[str, tuple[tuple[Taint, ...], float]] = {}
        self._missing_since: dict[str, float] = {}
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Evict for ever; ends by cancellation only."""
        pods = Reflector(
            self._client, "/api/v1/pods", BoundPod, self._pod_changed, self._pod_removed
        )
        nodes = Reflector(
            self._client, "/api/v1/nodes", Node, self._node_changed, self._node_removed
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(pods.run())
            group.create_task(nodes.run())
            await pods.synced.wait()
            await nodes.synced.wait()
            while True:
                self._wake.clear()
                await self._look()
                try:
                    async with asyncio.timeout(_LOOK_S):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    def _pod_changed(self, pod: BoundPod) -> None:
        uid = pod.metadata.uid
        if not pod.spec.node_name:
            return
        if uid not in self._pods and self._forbidden(pod):
            self._wake.set()
        self._pods[uid] = pod

    def _forbidden(self, pod: BoundPod) -> bool:
        return any(each.effect == "NoExecute" for each in self._taints_of(pod))

    def _taints_of(self, pod: BoundPod) -> tuple[Taint, ...]:
        return self._taints.get(pod.spec.node_name or "", ())

    def _pod_removed(self, pod: BoundPod) -> None:
        uid = pod.metadata.uid
        self._pods.pop(uid, None)
        self._tainted_since.pop(uid, None)
        self._missing_since.pop(uid, None)

    def _node_changed(self, node: Node) -> None:
        taints = tuple(each for each in node.spec.taints or () if each.effect == "NoExecute")
        if self._taints.get(node.metadata.name) != taints:
            self._taints[node.metadata.name] = taints
            self._wake.set()

    def _node_removed(self, node: Node) -> None:
        self._taints.pop(node.metadata.name, None)
        self._wake.set()

    async def _look(self) -> None:
        now_s = self._now_s()
        for uid, pod in list(self._pods.items()):
            try:
                if pod.spec.node_name not in self._taints:
                    await self._judge_orphan(uid, pod, now_s)
                else:
                    self._missing_since.pop(uid, None)
                    await self._judge_tainted(uid, pod, now_s)
            except RequestRefused as refusal:
                if refusal.code not in _SETTLED:
                    _log.warning("a pod cannot be evicted", why=refusal.message)
            except ServerUnreachableError as error:
                _log.debug("will try again", why=str(error))
                return

    async def _judge_orphan(self, uid: str, pod: BoundPod, now_s: float) -> None:
        since_s = self._missing_since.setdefault(uid, now_s)
        if now_s - since_s < self._orphan_grace_s:
            return
        if pod.status.phase not in _ENDED:
            await self._disrupt(pod, *_ORPHANED, phase="Failed")
        await self._delete(pod, grace_s=0)

    async def _judge_tainted(self, uid: str, pod: BoundPod, now_s: float) -> None:
        taints = self._taints_of(pod)
        if not taints or pod.metadata.deletion_timestamp or pod.status.phase in _ENDED:
            self._tainted_since.pop(uid, None)
            return
        known = self._tainted_since.get(uid)
        if known is None or known[0] != taints:
            known = (taints, now_s if known is None else known[1])
            self._tainted_since[uid] = known
        limit_s = stay_s(pod.spec.tolerations or (), taints)
        if limit_s is None or now_s - known[1] < limit_s:
            return
        meta = pod.metadata
        message = f"Marking for deletion Pod {meta.namespace}/{meta.name}"
        self._recorder.record(About.pod(meta), "Normal", "TaintManagerEviction", message)
        await self._disrupt(pod, *_TAINTED)
        await self._delete(pod)

    async def _disrupt(self, pod: BoundPod, reason: str, message: str, phase: str = "") -> None:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": to_time(self._now_s()),
            "reason": reason,
            "message": message,
        }
        status: JsonObject = {"conditions": [condition]}
        if phase:
            status["phase"] = phase
        patch = {"metadata": {"uid": pod.metadata.uid}, "status": status}
        await self._client.send("PATCH", f"{_path(pod)}/status", patch, STRATEGIC_MERGE_PATCH)

    async def _delete(self, pod: BoundPod, grace_s: int | None = None) -> None:
        options: JsonObject = {"preconditions": {"uid": pod.metadata.uid}}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        await self._client.send("DELETE", _path(pod), options)


def _path(pod: BoundPod) -> str:
    return f"/api/v1/namespaces/{pod.metadata.namespace}/pods/{pod.metadata.name}"
