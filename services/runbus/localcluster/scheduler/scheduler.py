"""The scheduling loop: keeps account of nodes and pods, decides, binds, explains.

Decisions are ``placement.decide``; everything here is bookkeeping and requests.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from runbus.localcluster.client import (
    STRATEGIC_MERGE_PATCH,
    ApiClient,
    Reflector,
    RequestRefused,
    ServerUnreachableError,
)
from runbus.localcluster.recorder import About, Recorder
from runbus.localcluster.rules.shapes import Node, Pod
from runbus.localcluster.rules.timestamps import to_time
from runbus.localcluster.scheduler.placement import (
    Amounts,
    NodeView,
    Placed,
    Unplaced,
    decide,
    demand_of,
    view_node,
    view_pod,
)

JsonObject = dict[str, Any]
NAME = "default-scheduler"
_ENDED = ("Succeeded", "Failed")
_WRITERS = 8
_QUEUE = 1024
_RETRY_S = 1.0
_FLUSH_S = 30.0
_BATCH = 50
_log = structlog.get_logger("scheduler")


class _Bind(msgspec.Struct, frozen=True):
    pod: Pod
    node: str


class _Explain(msgspec.Struct, frozen=True):
    pod: Pod
    message: str


class PodScheduler:
    """Gives every pending pod of this scheduler's name a node, as long as it runs."""

    def __init__(self, client: ApiClient, recorder: Recorder, now_s: Callable[[], float]) -> None:
        self._client = client
        self._recorder = recorder
        self._now_s = now_s
        self._nodes: dict[str, NodeView] = {}
        self._used: dict[str, Amounts] = {}
        self._assigned: dict[str, tuple[str, Amounts]] = {}
        self._assumed: set[str] = set()
        self._pending: dict[str, Pod] = {}
        self._backlog: set[str] = set()
        self._explained: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._writes: asyncio.Queue[_Bind | _Explain] = asyncio.Queue(_QUEUE)

    async def run(self) -> None:
        """Schedule for ever; ends by cancellation only."""
        pods = Reflector(self._client, "/api/v1/pods", Pod, self._pod_changed, self._pod_removed)
        nodes = Reflector(
            self._client, "/api/v1/nodes", Node, self._node_changed, self._node_removed
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(pods.run())
            group.create_task(nodes.run())
            for _ in range(_WRITERS):
                group.create_task(self._write_decisions())
            await pods.synced.wait()
            await nodes.synced.wait()
            await self._decide_for_ever()

    def _pod_changed(self, pod: Pod) -> None:
        uid, spec = pod.metadata.uid, pod.spec
        if spec.node_name:
            self._pending.pop(uid, None)
            self._backlog.discard(uid)
            self._explained.pop(uid, None)
            self._assumed.discard(uid)
            if pod.status.phase in _ENDED:
                self._release(uid)
            else:
                self._assign(uid, spec.node_name, demand_of(pod))
            return
        mine = (spec.scheduler_name or NAME) == NAME
        if not mine or pod.metadata.deletion_timestamp or pod.status.phase in _ENDED:
            self._drop(uid)
            return
        if spec.scheduling_gates or uid in self._assumed:
            self._pending.pop(uid, None)
            return
        before = self._pending.get(uid)
        self._pending[uid] = pod
        if before is None or before.spec != spec:
            self._backlog.add(uid)
            self._wake.set()

    def _pod_removed(self, pod: Pod) -> None:
        self._drop(pod.metadata.uid)
        self._release(pod.metadata.uid)

    def _drop(self, uid: str) -> None:
        self._pending.pop(uid, None)
        self._backlog.discard(uid)
        self._explained.pop(uid, None)
        self._assumed.discard(uid)

    def _node_changed(self, node: Node) -> None:
        view = view_node(node)
        if self._nodes.get(view.name) != view:
            self._nodes[view.name] = view
            self._retry_all()

    def _node_removed(self, node: Node) -> None:
        self._nodes.pop(node.metadata.name, None)
        self._retry_all()

    def _assign(self, uid: str, node: str, demand: Amounts) -> None:
        known = self._assigned.get(uid)
        if known == (node, demand):
            return
        if known is not None:
            self._release(uid)
        self._assigned[uid] = (node, demand)
        used = self._used.setdefault(node, {})
        for name, amount in demand.items():
            used[name] = used.get(name, 0) + amount

    def _release(self, uid: str) -> None:
        known = self._assigned.pop(uid, None)
        if known is None:
            return
        node, demand = known
        used = self._used[node]
        for name, amount in demand.items():
            used[name] -= amount
        self._retry_all()

    def _retry_all(self) -> None:
        if self._pending:
            self._backlog.update(self._pending)
            self._wake.set()

    async def _decide_for_ever(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_FLUSH_S):
                    await self._wake.wait()
            except TimeoutError:
                self._backlog.update(self._pending)
            self._wake.clear()
            backlog, self._backlog = self._backlog, set()
            pods = [self._pending[uid] for uid in backlog if uid in self._pending]
            for number, pod in enumerate(sorted(pods, key=_order)):
                if number % _BATCH == 0:
                    await asyncio.sleep(0)
                if pod.metadata.uid in self._pending:
                    await self._decide_one(pod)

    async def _decide_one(self, pod: Pod) -> None:
        uid, view = pod.metadata.uid, view_pod(pod)
        match decide(view, self._nodes.values(), self._used):
            case Placed(node=node):
                self._pending.pop(uid)
                self._assumed.add(uid)
                self._assign(uid, node, view.demand)
                await self._writes.put(_Bind(pod, node))
            case Unplaced(message=message):
                if self._explained.get(uid) != message:
                    self._explained[uid] = message
                    await self._writes.put(_Explain(pod, message))

    async def _write_decisions(self) -> None:
        while True:
            write = await self._writes.get()
            try:
                if isinstance(write, _Bind):
                    await self._bind(write)
                else:
                    await self._explain(write)
            except RequestRefused as refusal:
                _log.info("write refused", pod=write.pod.metadata.name, why=refusal.message)
                await self._undo(write, again=refusal.passing)
            except ServerUnreachableError as error:
                _log.warning("API server unreachable", why=str(error))
                await self._undo(write, again=True)

    async def _undo(self, write: _Bind | _Explain, again: bool) -> None:
        uid = write.pod.metadata.uid
        self._explained.pop(uid, None)
        if isinstance(write, _Bind) and uid in self._assumed:
            self._assumed.discard(uid)
            self._release(uid)
            if again:
                self._pending.setdefault(uid, write.pod)
        if again:
            await asyncio.sleep(_RETRY_S)
            self._backlog.add(uid)
            self._wake.set()

    async def _bind(self, write: _Bind) -> None:
        meta = write.pod.metadata
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": write.node},
        }
        await self._client.send("POST", f"{_path(write.pod)}/binding", body)
        message = f"Successfully assigned {meta.namespace}/{meta.name} to {write.node}"
        self._recorder.record(About.pod(meta), "Normal", "Scheduled", message)

    async def _explain(self, write: _Explain) -> None:
        meta = write.pod.metadata
        current = self._pending.get(meta.uid)
        if current is None:
            return
        known = {each.type: each for each in current.status.conditions or ()}.get("PodScheduled")
        if known is None or known.message != write.message or known.status != "False":
            since = to_time(self._now_s())
            if known is not None and known.status == "False":
                since = known.last_transition_time or since
            condition = {
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": None,
                "lastTransitionTime": since,
                "reason": "Unschedulable",
                "message": write.message,
            }
            patch = {"metadata": {"uid": meta.uid}, "status": {"conditions": [condition]}}
            path = f"{_path(write.pod)}/status"
            await self._client.send("PATCH", path, patch, STRATEGIC_MERGE_PATCH)
        self._recorder.record(About.pod(meta), "Warning", "FailedScheduling", write.message)


def _order(pod: Pod) -> tuple[int, str, int]:
    meta = pod.metadata
    version = int(meta.resource_version or 0)
    return (-(pod.spec.priority or 0), meta.creation_timestamp or "", version)


def _path(pod: Pod) -> str:
    return f"/api/v1/namespaces/{pod.metadata.namespace}/pods/{pod.metadata.name}"
