"""The Node object of this machine: registered, kept, and its heartbeat."""

import asyncio
import platform
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from runbus.localcluster.client import (
    MERGE_PATCH,
    STRATEGIC_MERGE_PATCH,
    ApiClient,
    RequestRefused,
    ServerUnreachableError,
)
from runbus.localcluster.node_specs import NodeTaint
from runbus.localcluster.rules.timestamps import to_micro_time, to_time
from runbus.localcluster.runner.context import RunnerSettings

JsonObject = dict[str, Any]
_READY = ("True", "KubeletReady", "kubelet is posting ready status")
_SHUTTING_DOWN = ("False", "KubeletNotReady", "node is shutting down")
_FIRST_RETRY_S = 0.1
_LEASES = "kube-node-lease"
_LEASE_S = 40
_EXISTS = 409
_NOT_FOUND = 404
_log = structlog.get_logger("runner")
_HEALTHY = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


class NodeHeartbeat:
    """Registers the node and reports that it lives."""

    def __init__(
        self,
        client: ApiClient,
        settings: RunnerSettings,
        log_port: int,
        now_s: Callable[[], float],
    ) -> None:
        self._client = client
        self._settings = settings
        self._log_port = log_port
        self._now_s = now_s
        self._ready_since = to_time(now_s())
        self._shutting_down = False
        self._soon = asyncio.Event()

    def shut_down(self) -> None:
        """Report from now on that the node is going away; at once."""
        self._shutting_down = True
        self._ready_since = to_time(self._now_s())
        self.report_soon()

    def report_soon(self) -> None:
        """Do not wait for the next heartbeat."""
        self._soon.set()

    async def run(self) -> None:
        """Report for ever; ends by cancellation only."""
        delay_s = _FIRST_RETRY_S
        while True:
            try:
                await self._report()
                await self._renew_lease()
                delay_s = self._settings.heartbeat_s
            except RequestRefused as refusal:
                _log.warning("heartbeat refused", why=refusal.message)
                delay_s = min(delay_s * 2, self._settings.heartbeat_s)
            except ServerUnreachableError as error:
                _log.warning("API server unreachable", why=str(error))
                delay_s = min(delay_s * 2, self._settings.heartbeat_s)
            await self._wait(delay_s)

    async def _wait(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._soon.wait()
        except TimeoutError:
            return
        self._soon.clear()

    async def _report(self) -> None:
        path = f"/api/v1/nodes/{self._settings.node_name}"
        patch = {"status": self._status()}
        try:
            await self._client.send("PATCH", f"{path}/status", patch, STRATEGIC_MERGE_PATCH)
        except RequestRefused as refusal:
            if refusal.code != _NOT_FOUND:
                raise
            await self._register()
            await self._client.send("PATCH", f"{path}/status", patch, STRATEGIC_MERGE_PATCH)

    async def _renew_lease(self) -> None:
        """Renew the node's lease, as kubelets do; what describes nodes looks for it."""
        name = self._settings.node_name
        folder = f"/apis/coordination.k8s.io/v1/namespaces/{_LEASES}/leases"
        spec = {
            "holderIdentity": name,
            "leaseDurationSeconds": _LEASE_S,
            "renewTime": to_micro_time(self._now_s()),
        }
        try:
            await self._client.send("PATCH", f"{folder}/{name}", {"spec": spec}, MERGE_PATCH)
        except RequestRefused as refusal:
            if refusal.code != _NOT_FOUND:
                raise
            lease = {"metadata": {"name": name, "namespace": _LEASES}, "spec": spec}
            await self._client.send("POST", folder, lease)

    async def _register(self) -> None:
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": self._settings.node_name,
                "labels": {
                    **node_labels(self._settings.node_name),
                    **dict(self._settings.labels),
                },
            },
            "spec": {"taints": [_taint(each) for each in self._settings.taints]},
        }
        try:
            await self._client.send("POST", "/api/v1/nodes", node)
        except RequestRefused as refusal:
            if refusal.code != _EXISTS:
                raise

    def _status(self) -> JsonObject:
        now = to_time(self._now_s())
        settings = self._settings
        healthy = [
            _condition(kind, "False", reason, message, now, self._ready_since)
            for kind, reason, message in _HEALTHY
        ]
        ready = _condition("Ready", *_READY, now, self._ready_since)
        if self._shutting_down:
            ready = _condition("Ready", *_SHUTTING_DOWN, now, self._ready_since)
        return {
            "capacity": dict(settings.capacity),
            "allocatable": dict(settings.capacity),
            "conditions": [*healthy, ready],
            "addresses": [
                {"type": "InternalIP", "address": settings.address},
                {"type": "Hostname", "address": settings.node_name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._log_port}},
            "nodeInfo": {
                "kernelVersion": platform.release(),
                "osImage": platform.system(),
                "containerRuntimeVersion": "runbus-localcluster://processes",
                "kubeletVersion": "v1.32.0",
                "operatingSystem": "linux",
                "architecture": architecture(),
            },
        }


def _condition(
    kind: str, status: str, reason: str, message: str, now: str, since: str
) -> JsonObject:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": now,
        "lastTransitionTime": since,
    }


def _taint(taint: NodeTaint) -> JsonObject:
    value = {"value": taint.value} if taint.value else {}
    return {"key": taint.key, **value, "effect": taint.effect}


def architecture() -> str:
    """The machine's architecture in Go's words."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def node_labels(name: str) -> Mapping[str, str]:
    """The labels every kubelet sets."""
    return {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture(),
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": architecture(),
    }
