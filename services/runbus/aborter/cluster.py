"""What the aborter asks of Kubernetes: pods, logs, Kubernetes events, nodes, and deletes.

An adapter over the raw connection, with the Structs of `reading`. It must not know why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from runbus.aborter.model import DeleteOrder
from runbus.contracts import labels
from runbus.reading.clocks import by_our_clock
from runbus.reading.forcing import NodeView
from runbus.reading.objects import (
    KubeEvent,
    Node,
    Pod,
    UnreadableObjectError,
    decode_kube_event_list,
    decode_node,
    decode_pod,
)
from runbus.runtime.kube import CONNECTIONS_MAX, REQUEST_TIMEOUT_S, Kube
from runbus.runtime.kube_errors import KubeNotFoundError, KubeRefusedError, KubeUnavailableError

T = TypeVar("T")

LOG_TIMEOUT_S = 5.0
LIST_MAX = 500


class FoundPod(Struct, frozen=True):
    """A pod as it is read, and as the server gave it."""

    pod: Pod
    raw: bytes


class _RawList(Struct):
    items: list[msgspec.Raw] = []


class Cluster:
    """One API server as the aborter sees it.

    `at_once_max` bounds the requests under way, below the connections that there are: those of
    one purpose then never wait for those of another.
    """

    def __init__(self, kube: Kube, at_once_max: int = CONNECTIONS_MAX) -> None:
        self._kube = kube
        self._at_once = asyncio.Semaphore(at_once_max)

    async def _get(
        self,
        path: str,
        query: Mapping[str, str | int] | None = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> bytes:
        async with self._at_once:
            return await self._kube.request("GET", path, query=query, timeout_s=timeout_s)

    async def pod(self, namespace: str, name: str) -> Pod | None:
        """Return a pod by name; None where there is none.

        Raises:
            KubeError: anything but 404.

        """
        try:
            return self._pod(await self._get(_pods(namespace, name)))
        except KubeNotFoundError:
            return None

    async def pods_of(self, namespace: str, run_id: str) -> tuple[FoundPod, ...]:
        """Return the pods that carry a run's id."""
        query: dict[str, str | int] = {
            "labelSelector": f"{labels.RUN_ID}={run_id}",
            "limit": LIST_MAX,
        }
        items = _readable(_decode_raw_list, await self._get(_pods(namespace), query)).items
        return tuple(FoundPod(self._pod(bytes(raw)), bytes(raw)) for raw in items)

    def _pod(self, raw: bytes) -> Pod:
        return by_our_clock(_readable(decode_pod, raw), self._kube.clock_offset)

    async def delete(self, order: DeleteOrder) -> None:
        """Delete a pod with preconditions; an object that is gone is as good.

        Raises:
            KubeConflictError: a precondition failed.
            KubeError: anything else.

        """
        preconditions = {"uid": order.uid}
        if order.resource_version is not None:
            preconditions["resourceVersion"] = order.resource_version
        body: dict[str, object] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": preconditions,
            "propagationPolicy": "Background",
        }
        if order.grace_s is not None:
            body["gracePeriodSeconds"] = order.grace_s
        try:
            async with self._at_once:
                await self._kube.request("DELETE", _pods(order.namespace, order.name), body=body)
        except KubeNotFoundError:
            return

    async def node(self, name: str) -> NodeView | None:
        """Return what is known of a node; None where it may not be read."""
        try:
            found = await self._node(name)
        except KubeNotFoundError:
            return NodeView(exists=False)
        except KubeRefusedError:
            return None
        return NodeView(exists=True, ready=found.is_ready)

    async def full_node(self, name: str) -> Node | None:
        """Return a node; None where there is none, or it may not be read."""
        try:
            return await self._node(name)
        except (KubeNotFoundError, KubeRefusedError):
            return None

    async def _node(self, name: str) -> Node:
        return _readable(decode_node, await self._get(f"/api/v1/nodes/{name}"))

    async def raw_pod(self, namespace: str, name: str) -> bytes | None:
        """Return a pod as the server gives it; None where there is none."""
        try:
            return await self._get(_pods(namespace, name))
        except KubeNotFoundError:
            return None

    async def log_tail(
        self, namespace: str, name: str, container: str, *, lines: int, bytes_max: int
    ) -> bytes:
        """Return the end of a container's log.

        Raises:
            KubeError: there is none (not started), or it cannot be read.

        """
        query: dict[str, str | int] = {"container": container, "tailLines": lines}
        answer = await self._get(_pods(namespace, name) + "/log", query, LOG_TIMEOUT_S)
        return answer[-bytes_max:]

    async def events_of(self, namespace: str, uid: str) -> tuple[KubeEvent, ...]:
        """Return the Kubernetes events about an object; none where they may not be read."""
        query: dict[str, str | int] = {
            "fieldSelector": f"involvedObject.uid={uid}",
            "limit": LIST_MAX,
        }
        try:
            answer = await self._get(f"/api/v1/namespaces/{namespace}/events", query)
        except (KubeNotFoundError, KubeRefusedError):
            return ()
        return _readable(decode_kube_event_list, answer).items


def _pods(namespace: str, name: str = "") -> str:
    path = f"/api/v1/namespaces/{namespace}/pods"
    return f"{path}/{name}" if name else path


def _decode_raw_list(answer: bytes) -> _RawList:
    try:
        return msgspec.json.decode(answer, type=_RawList)
    except msgspec.MsgspecError as error:
        raise UnreadableObjectError(str(error)) from error


def _readable(decode: Callable[[bytes], T], answer: bytes) -> T:
    try:
        return decode(answer)
    except UnreadableObjectError as error:
        raise KubeUnavailableError(0, "Unreadable", str(error)) from error
