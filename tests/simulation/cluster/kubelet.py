"""Scheduler, kubelets and node controllers of the simulated cluster: what happens to pods.

Plain users of the store, outside of every simulated process. A pod's way is its `Fate`; the
statuses are made by the local cluster's own rules.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

import msgspec

from runbus.localcluster.rules.binding import with_condition
from runbus.localcluster.rules.deletion import DeleteOptions
from runbus.localcluster.rules.errors import ApiError
from runbus.localcluster.rules.resources import EVENTS, PODS, Target
from runbus.localcluster.rules.shapes import Pod
from runbus.localcluster.rules.timestamps import to_time
from runbus.localcluster.runner.states import (
    ContainerView,
    PodFacts,
    Running,
    State,
    Terminated,
    Waiting,
    pod_status,
)
from runbus.localcluster.store.history import Stored
from simulation.cluster.fates import Fate
from simulation.cluster.server import JsonObject, SimCluster

FateOf = Callable[[JsonObject], Fate]


class _DeletedError(Exception):
    """The pod's deletion was asked for, or it has gone."""


class Kubelets:
    """Brings every pod that appears to its end."""

    def __init__(self, cluster: SimCluster, fate_of: FateOf, nodes: tuple[str, ...]) -> None:
        self._cluster = cluster
        self._fate_of = fate_of
        self._nodes = nodes
        self._changed: dict[str, asyncio.Event] = {}
        self.lost: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._back = asyncio.Event()
        cluster.on_pod.append(self._on_pod)

    def _on_pod(self, kind: str, pod: JsonObject) -> None:
        uid = pod["metadata"]["uid"]
        if kind == "ADDED":
            self._changed[uid] = asyncio.Event()
            loop = self._cluster.loop
            coroutine = _PodLife(self, self._cluster, pod, self._fate_of(pod)).run()
            task = loop.create_task(coroutine, context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif uid in self._changed:
            self._changed[uid].set()

    def node_for(self) -> str:
        """Choose a node."""
        return self._cluster.random.choice(self._nodes)

    def changed(self, uid: str) -> asyncio.Event:
        """Return the event that is set when a pod changes."""
        return self._changed[uid]

    def lose(self, node: str) -> None:
        """Have a node stop answering."""
        self.lost.add(node)

    def bring_back(self, node: str) -> None:
        """Have a lost node answer again."""
        self.lost.discard(node)
        self._back.set()
        self._back = asyncio.Event()

    async def until_back(self, node: str) -> None:
        """Wait while a node is lost."""
        while node in self.lost:
            await self._back.wait()

    def evict(self, node: str, reason: str) -> None:
        """Have the pods of a node deleted by the platform, with their grace."""
        for stored in self._pods_on(node):
            self._disrupt(stored, reason)
            meta = stored.obj["metadata"]
            options = DeleteOptions(uid=meta["uid"])
            target = Target(PODS, meta["namespace"], meta["name"])
            self._cluster.operations.delete(target, options)

    def collect(self, node: str, reason: str) -> None:
        """Have the pods of a node that is no more removed, as the garbage collector does."""
        for stored in self._pods_on(node):
            self._disrupt(stored, reason)
            meta = stored.obj["metadata"]
            options = DeleteOptions(grace_s=0, uid=meta["uid"])
            target = Target(PODS, meta["namespace"], meta["name"])
            self._cluster.operations.delete(target, options)

    def _pods_on(self, node: str) -> list[Stored]:
        found = self._cluster.store.all(PODS)
        return [each for each in found if each.obj["spec"].get("nodeName") == node]

    def _disrupt(self, stored: Stored, reason: str) -> None:
        pod, store = stored.obj, self._cluster.store
        if pod["status"].get("phase") in {"Succeeded", "Failed"}:
            return
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": reason,
            "message": "the node does not answer",
            "lastTransitionTime": to_time(self._cluster.now_s()),
        }
        store.replace(PODS, stored, {**pod, "status": with_condition(pod["status"], condition)})


class _PodLife:
    """One pod from its creation to its removal."""

    def __init__(
        self, kubelets: Kubelets, cluster: SimCluster, pod: JsonObject, fate: Fate
    ) -> None:
        meta = pod["metadata"]
        self._kubelets = kubelets
        self._cluster = cluster
        self._fate = fate
        self._uid: str = meta["uid"]
        self._key: tuple[str, str] = (meta["namespace"], meta["name"])
        self._node = ""
        self._started_s = 0.0
        self._others: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Live."""
        self._others = self._cluster.loop.create_task(
            self._interfere(), context=contextvars.Context()
        )
        try:
            await self._live()
            await self._until_deletion()
        except _DeletedError:
            pass
        await self._end()
        self._others.cancel()

    # What the pod is now.

    def _stored(self) -> Stored | None:
        found = self._cluster.store.find(PODS, *self._key)
        return found if found is not None and found.obj["metadata"]["uid"] == self._uid else None

    def _check(self) -> JsonObject:
        """Return the pod; raise where its deletion is asked for."""
        stored = self._stored()
        if stored is None or "deletionTimestamp" in stored.obj["metadata"]:
            raise _DeletedError
        return stored.obj

    async def _pause(self, seconds: float | None) -> None:
        """Wait, for ever if None, unless the pod's deletion is asked for; on a lost node longer."""
        loop = self._cluster.loop
        until = None if seconds is None else loop.time() + seconds
        while until is None or loop.time() < until:
            changed = self._kubelets.changed(self._uid)
            changed.clear()
            self._check()
            try:
                async with asyncio.timeout_at(until):
                    await changed.wait()
            except TimeoutError:
                break
        if self._node:
            await self._kubelets.until_back(self._node)
        self._check()

    # Its life.

    async def _live(self) -> None:
        fate = self._fate
        await self._pause(self._some(0.02))
        if fate.bind_after_s is None or fate.scales_up:
            self._unschedulable()
        if fate.scales_up:
            self._scale_up()
        await self._pause(fate.bind_after_s)
        self._bind()
        await self._pause(self._some(0.1))
        self._started_s = self._cluster.now_s()
        await self._pull()
        if fate.config_error_s is None or fate.config_error_s > 0:
            self._show(Waiting("CreateContainerConfigError", 'secret "x" not found'))
            await self._pause(fate.config_error_s)
        started_s = self._cluster.now_s()
        self._show(Running(started_s))
        await self._pause(fate.run_s)
        self._show(self._ended(fate.exit_code, started_s))

    def _some(self, most_s: float) -> float:
        return self._cluster.random.random() * most_s

    async def _pull(self) -> None:
        fate, loop = self._fate, self._cluster.loop
        self._show(Waiting("ContainerCreating"))
        if fate.image == "invalid":
            self._show(Waiting("InvalidImageName", "couldn't parse image name"))
            await self._pause(None)
        heals_at = loop.time() + (fate.image_after_s or 0.0)
        backoff_s = 0.5
        while fate.image == "missing":
            await self._pause(fate.pull_s)
            if fate.image_after_s is not None and loop.time() >= heals_at:
                return
            self._show(Waiting("ErrImagePull", "not found"))
            await self._pause(0.3)
            self._show(Waiting("ImagePullBackOff", "Back-off pulling image"))
            await self._pause(backoff_s)
            backoff_s = min(backoff_s * 2, 4.0)
            if self._cluster.random.random() < 0.3:
                self._show(Waiting("ContainerCreating"))
        await self._pause(fate.pull_s)

    async def _until_deletion(self) -> None:
        while True:
            await self._pause(None)

    async def _end(self) -> None:
        """Do what a kubelet does about a deletion: SIGTERM, grace, status, removal."""
        stored = self._stored()
        if stored is None:
            return
        await self._kubelets.until_back(self._node)
        await asyncio.sleep(self._some(0.1))
        stored = self._stored()
        if stored is None:
            return
        state = _state_of(stored.obj)
        if "running" in state:
            await self._terminate(state["running"]["startedAt"], stored.obj)
        await asyncio.sleep(self._some(0.05))
        await self._kubelets.until_back(self._node)
        self._remove()

    async def _terminate(self, _started: str, pod: JsonObject) -> None:
        fate = self._fate
        grace_s = float(pod["metadata"].get("deletionGracePeriodSeconds") or 0)
        killed = fate.on_term == "ignore" or fate.term_s >= grace_s
        await asyncio.sleep(grace_s if killed else fate.term_s)
        await self._kubelets.until_back(self._node)
        code = 137 if killed else int(fate.on_term.removeprefix("exit "))
        if self._stored() is not None:
            self._show(self._ended(code, self._started_s))

    def _remove(self) -> None:
        if self._stored() is not None:
            options = DeleteOptions(grace_s=0, uid=self._uid)
            self._cluster.operations.delete(Target(PODS, *self._key), options)

    # What others do to it.

    async def _interfere(self) -> None:
        fate = self._fate
        deeds: list[tuple[float, Callable[[], None]]] = []
        if fate.deleted_after_s is not None:
            deeds.append((fate.deleted_after_s, lambda: self._delete(None)))
        if fate.purged_after_s is not None:
            deeds.append((fate.purged_after_s, lambda: self._delete(0)))
        if fate.evicted_after_s is not None:
            deeds.append((fate.evicted_after_s, self._evict))
        began = self._cluster.loop.time()
        for at, deed in sorted(deeds, key=lambda each: each[0]):
            await asyncio.sleep(began + at - self._cluster.loop.time())
            try:
                deed()
            except ApiError:
                return  # it has gone already

    def _delete(self, grace_s: int | None) -> None:
        options = DeleteOptions(grace_s=grace_s, uid=self._uid)
        self._cluster.operations.delete(Target(PODS, *self._key), options)

    def _evict(self) -> None:
        options = DeleteOptions(uid=self._uid)
        self._cluster.operations.evict(Target(PODS, *self._key, "eviction"), options)

    # What it shows.

    def _unschedulable(self) -> None:
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient cpu.",
            "lastTransitionTime": to_time(self._cluster.now_s()),
        }
        pod = self._check()
        self._write({**pod, "status": with_condition(pod["status"], condition)})

    def _scale_up(self) -> None:
        """Say what a cluster autoscaler says."""
        namespace, name = self._key
        event = {
            "metadata": {"name": f"{name}.scale-up", "namespace": namespace},
            "involvedObject": {"kind": "Pod", "namespace": namespace, "uid": self._uid},
            "reason": "TriggeredScaleUp",
            "message": "pod triggered scale-up: [{pool 1->2 (max: 3)}]",
            "source": {"component": "cluster-autoscaler"},
            "lastTimestamp": to_time(self._cluster.now_s()),
        }
        self._cluster.operations.create(Target(EVENTS, namespace), event)

    def _bind(self) -> None:
        self._node = self._kubelets.node_for()
        body = {"target": {"name": self._node}}
        self._cluster.operations.bind(Target(PODS, *self._key, "binding"), body)

    def _ended(self, exit_code: int, started_s: float) -> Terminated:
        reason = {0: "Completed", 137: "Error"}.get(exit_code, "Error")
        return Terminated(exit_code, reason, started_s, self._cluster.now_s())

    def _show(self, state: State) -> None:
        stored = self._stored()
        if stored is None:
            raise _DeletedError
        pod = msgspec.convert(stored.obj, Pod)
        before = {each["type"]: each for each in stored.obj["status"].get("conditions") or ()}
        views = {each.name: ContainerView(state) for each in pod.spec.containers or ()}
        facts = PodFacts(self._started_s, "10.0.0.1")
        status: dict[str, Any] = pod_status(pod, views, facts, self._cluster.now_s(), before)
        told = {each["type"] for each in status["conditions"]}
        status["conditions"] += [each for kind, each in before.items() if kind not in told]
        self._write({**stored.obj, "status": {**stored.obj["status"], **status}})

    def _write(self, pod: JsonObject) -> None:
        stored = self._stored()
        assert stored is not None
        self._cluster.store.replace(PODS, stored, pod)


def _state_of(pod: JsonObject) -> JsonObject:
    statuses = pod["status"].get("containerStatuses") or [{}]
    return dict(statuses[0].get("state") or {})
