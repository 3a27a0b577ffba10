"""Records what a watch of a real API server says of a few pods, from creation to deletion.

    cd tests && ../.venv/bin/python -m support.control_plane.recording BINARIES FILE

BINARIES is what `make kube` prints. The pods: one that completes, one that fails, one whose image
cannot be pulled, one that is deleted while it runs. The local cluster's runner is their kubelet, so
what it says of containers is ours; placement, order and deletion are Kubernetes'. Lines stand as
they came, but for `managedFields`, which nobody here reads.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
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


async def recorded(plane: ControlPlane) -> list[JsonObject]:
    """Connect to a control plane and record."""
    kube = await connect(KubeConfig(kubeconfig=str(plane.kubeconfig())))
    try:
        return await record(kube)
    finally:
        await kube.close()


def main(binaries: Path, file: Path) -> None:
    """Record into a file, one event a line."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ControlPlane(Path(folder) / "plane", binaries) as plane,
    ):
        plane.create_namespace(NAMESPACE)
        with Kubelet(plane, Path(folder) / "kubelet", node_name="worker"):
            events = asyncio.run(recorded(plane))
    file.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in events))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
