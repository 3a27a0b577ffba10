"""The loops of the janitor: nodes and namespaces. Requests only; rules in ``verdicts``."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from runbus.localcluster.client import (
    MERGE_PATCH,
    STRATEGIC_MERGE_PATCH,
    ApiClient,
    Reflector,
    RequestRefused,
    ServerUnreachableError,
)
from runbus.localcluster.janitor.verdicts import is_lost, ready_condition, wanted_taints
from runbus.localcluster.rules.resources import RESOURCES
from runbus.localcluster.rules.shapes import Node
from runbus.localcluster.rules.small_shapes import Namespace
from runbus.localcluster.rules.timestamps import to_time

JsonObject = dict[str, Any]
_RETRY_S = 1.0
_log = structlog.get_logger("janitor")


class Janitor:
    """Tidies up after everybody, as long as ``run`` does."""

    def __init__(self, client: ApiClient, now_s: Callable[[], float], node_grace_s: float) -> None:
        self._client = client
        self._now_s = now_s
        self._node_grace_s = node_grace_s
        self._nodes: dict[str, Node] = {}
        self._heard: dict[str, tuple[str | None, float]] = {}
        self._leaving: dict[str, Namespace] = {}
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Tidy for ever; ends by cancellation only."""
        nodes = Reflector(
            self._client, "/api/v1/nodes", Node, self._node_changed, self._node_removed
        )
        namespaces = Reflector(
            self._client,
            "/api/v1/namespaces",
            Namespace,
            self._namespace_changed,
            self._namespace_removed,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(nodes.run())
            group.create_task(namespaces.run())
            while True:
                self._wake.clear()
                for task in (self._tidy_nodes, self._tidy_namespaces):
                    try:
                        await task()
                    except RequestRefused as refusal:
                        _log.debug("will try again", what=task.__name__, why=str(refusal))
                    except ServerUnreachableError as error:
                        _log.debug("will try again", what=task.__name__, why=str(error))
                        self._nothing_was_heard()
                try:
                    async with asyncio.timeout(_RETRY_S):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    def _node_changed(self, node: Node) -> None:
        ready = ready_condition(node)
        beat = ready.last_heartbeat_time if ready else None
        name = node.metadata.name
        if name not in self._heard or self._heard[name][0] != beat:
            self._heard[name] = (beat, self._now_s())
        self._nodes[node.metadata.name] = node
        self._wake.set()

    def _node_removed(self, node: Node) -> None:
        self._nodes.pop(node.metadata.name, None)
        self._heard.pop(node.metadata.name, None)

    def _namespace_changed(self, namespace: Namespace) -> None:
        if namespace.metadata.deletion_timestamp:
            self._leaving[namespace.metadata.name] = namespace
            self._wake.set()

    def _namespace_removed(self, namespace: Namespace) -> None:
        self._leaving.pop(namespace.metadata.name, None)

    def _nothing_was_heard(self) -> None:
        """Without an API server no heartbeat could come: nobody's silence counts."""
        now_s = self._now_s()
        self._heard = {name: (beat, now_s) for name, (beat, _) in self._heard.items()}

    async def _tidy_nodes(self) -> None:
        now_s = self._now_s()
        for node in list(self._nodes.values()):
            path = f"/api/v1/nodes/{node.metadata.name}"
            silent_s = now_s - self._heard[node.metadata.name][1]
            if is_lost(node, silent_s, self._node_grace_s):
                await self._lose(node, path, now_s)
                continue
            wanted = wanted_taints(node)
            if wanted != list(node.spec.taints or ()):
                taints = [_plain(each) for each in msgspec.to_builtins(wanted)]
                version = node.metadata.resource_version
                patch = {"metadata": {"resourceVersion": version}, "spec": {"taints": taints}}
                raw = await self._client.send("PATCH", path, patch, MERGE_PATCH)
                self._nodes[node.metadata.name] = msgspec.json.decode(raw, type=Node)

    async def _lose(self, node: Node, path: str, now_s: float) -> None:
        ready = ready_condition(node)
        condition = {
            "type": "Ready",
            "status": "Unknown",
            "reason": "NodeStatusUnknown",
            "message": "Kubelet stopped posting node status.",
            "lastHeartbeatTime": ready.last_heartbeat_time if ready else None,
            "lastTransitionTime": to_time(now_s),
        }
        patch = {"status": {"conditions": [condition]}}
        raw = await self._client.send("PATCH", f"{path}/status", patch, STRATEGIC_MERGE_PATCH)
        self._nodes[node.metadata.name] = msgspec.json.decode(raw, type=Node)

    async def _tidy_namespaces(self) -> None:
        for namespace in list(self._leaving.values()):
            await self._empty(namespace.metadata.name)

    async def _empty(self, name: str) -> None:
        left = 0
        for resource in RESOURCES:
            if not resource.namespaced or resource.read_only:
                continue
            base = f"/apis/{resource.group}" if resource.group else "/api"
            path = f"{base}/{resource.version}/namespaces/{name}/{resource.plural}"
            await self._client.send("DELETE", path)
            raw = await self._client.get(path, {"limit": "1"})
            left += len(msgspec.json.decode(raw)["items"])
        if left:
            return
        body: JsonObject = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name},
            "spec": {"finalizers": []},
        }
        await self._client.send("PUT", f"/api/v1/namespaces/{name}/finalize", body)


def _plain(taint: JsonObject) -> JsonObject:
    return {key: value for key, value in taint.items() if value is not None}
