"""Records what watches of a real API server say.

    cd tests && ../.venv/bin/python -m support.control_plane.recording BINARIES FOLDER

BINARIES is what `make kube` prints. Lines stand as they came, but for `managedFields`, which nobody
here reads. Files, each with the version of Kubernetes in its name:

- `watch`: a few pods from creation to deletion: one that completes, one that fails, one whose image
  cannot be pulled, one that is deleted while it runs. The local cluster's runner is their kubelet,
  so what it says of containers is ours; placement, order and deletion are Kubernetes'.
- `selection`: a watch with a label selector: a pod comes into the selection, changes, leaves it,
  comes back and is deleted; then the bookmark that Kubernetes sends before the end asked for.
- `expired`: what a watch says whose version is forgotten.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from runbus.runtime.config import KubeConfig
from runbus.runtime.kube import Kube, connect
from support.cluster_pods import container, ended, pod, running, waiting_reason
from support.control_plane.kubelet import Kubelet
from support.control_plane.plane import ControlPlane

JsonObject = dict[str, Any]
NAMESPACE = "recorded"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
LIMIT_S = 120.0
WATCH_S = 10
READY = {
    "completes": (container("main", "sh", "-c", "exit 0"), ended),
    "fails": (container("main", "sh", "-c", "exit 3"), ended),
    "not-pulled": (
        container("main", "sh", image="missing:1"),
        lambda shown: waiting_reason(shown) == "ImagePullBackOff",
    ),
    "deleted": (container("main", "sleep", "60"), running),
}


async def record(kube: Kube) -> list[JsonObject]:
    """Create the pods, delete each once it is where it should be; return all events."""
    version = msgspec.json.decode(await kube.request("GET", PODS))["metadata"]["resourceVersion"]
    query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version}
    events: list[JsonObject] = []
    left = set(READY)
    asked: set[str] = set()
    rest = b""
    async with asyncio.timeout(LIMIT_S), kube.stream(PODS, query) as chunks:
        for name, (main, _) in READY.items():
            body = pod(name, main, terminationGracePeriodSeconds=2)
            await kube.request("POST", PODS, body=body)
        while left:
            *lines, rest = (rest + await anext(chunks)).split(b"\n")
            for event in map(msgspec.json.decode, lines):
                shown = event["object"]
                shown["metadata"].pop("managedFields", None)
                events.append(event)
                name = shown["metadata"].get("name", "")
                if event["type"] == "DELETED":
                    left.discard(name)
                elif name in READY and name not in asked and READY[name][1](shown):
                    asked.add(name)
                    await kube.request("DELETE", f"{PODS}/{name}")
    return events


async def record_selection(kube: Kube, pods: str) -> list[JsonObject]:
    """Let a pod come and go by its label; return all events up to the first bookmark after it."""
    version = msgspec.json.decode(await kube.request("GET", pods))["metadata"]["resourceVersion"]
    query = {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "labelSelector": "shard in (01)",
        "resourceVersion": version,
        "timeoutSeconds": str(WATCH_S),
    }
    spec = {"schedulerName": "nobody", "automountServiceAccountToken": False}
    shown = pod("comes-and-goes", container("main"), **spec)
    path = f"{pods}/comes-and-goes"
    raw = b""
    async with asyncio.timeout(LIMIT_S), kube.stream(pods, query) as chunks:
        shown["metadata"]["labels"] = {"shard": "00"}
        shown = msgspec.json.decode(await kube.request("POST", pods, body=shown))
        for shard, note in (("01", "a"), ("01", "b"), ("00", "c"), ("00", "d"), ("01", "e")):
            shown["metadata"]["labels"] = {"shard": shard}
            shown["metadata"]["annotations"] = {"note": note}
            shown = msgspec.json.decode(await kube.request("PUT", path, body=shown))
        await kube.request("DELETE", path)
        async for chunk in chunks:
            raw += chunk
            if b'"BOOKMARK"' in raw.rpartition(b'"DELETED"')[2] and raw.count(b'"DELETED"') == 2:
                break
    return _events(raw)


async def record_expired(kube: Kube, pods: str, version: str) -> list[JsonObject]:
    """Return what a watch from a forgotten version says."""
    async with asyncio.timeout(LIMIT_S):
        async with kube.stream(pods, {"watch": "true", "resourceVersion": version}) as chunks:
            return _events(b"".join([chunk async for chunk in chunks]))


def _events(raw: bytes) -> list[JsonObject]:
    events: list[JsonObject] = [msgspec.json.decode(line) for line in raw.splitlines()]
    for event in events:
        event["object"]["metadata"].pop("managedFields", None)
    return events


async def connected(plane: ControlPlane, what: Callable[[Kube], Awaitable[Any]]) -> Any:
    """Connect to a control plane and record something."""
    kube = await connect(KubeConfig(kubeconfig=str(plane.kubeconfig())))
    try:
        return await what(kube)
    finally:
        await kube.close()


def main(binaries: Path, folder: Path) -> None:
    """Record into files, one event a line."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        ControlPlane(Path(scratch) / "plane", binaries) as plane,
    ):
        plane.create_namespace(NAMESPACE)
        found: dict[str, list[JsonObject]] = {}
        with Kubelet(plane, Path(scratch) / "kubelet", node_name="worker"):
            found["watch"] = asyncio.run(connected(plane, record))
        listed = plane.request("GET", PODS)[1]
        found["selection"] = asyncio.run(
            connected(plane, lambda kube: record_selection(kube, PODS))
        )
        plane.compact()
        plane.restart_api_server()
        at = listed["metadata"]["resourceVersion"]
        found["expired"] = asyncio.run(
            connected(plane, lambda kube: record_expired(kube, PODS, at))
        )
    for name, events in found.items():
        lines = b"".join(msgspec.json.encode(each) + b"\n" for each in events)
        (folder / f"{name}-1.20.jsonl").write_bytes(lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
