"""A stand-in for an API server over HTTP, whose answers the test writes; and ways to connect to it.

For what a real one does not do on demand: refuse a token, hang, say that it is out of order.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from runbus.runtime.config import KubeConfig
from runbus.runtime.kube import Kube, connect
from runbus.runtime.metrics import Metrics

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class KubeServer:
    """What was asked of it, as (method, path), in order."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str]] = []

    def asked_to(self, method: str) -> list[str]:
        """Return the paths of one method's requests."""
        return [path for each, path in self.asked if each == method]


def an_object(fields: Mapping[str, Any], *, status: int = 200) -> web.Response:
    """Return an answer with an object in it."""
    return web.Response(
        status=status, body=msgspec.json.encode(fields), content_type="application/json"
    )


def a_refusal(status: int, message: str = "", reason: str = "") -> web.Response:
    """Return an answer that is an error, as Kubernetes words it."""
    return an_object({"kind": "Status", "reason": reason, "message": message}, status=status)


@asynccontextmanager
async def running_kube_server(answer: Answer) -> AsyncIterator[KubeServer]:
    """Serve for the length of a block; each request is noted, then answered by `answer`."""
    server = KubeServer()

    async def take(request: web.Request) -> web.StreamResponse:
        server.asked.append((request.method, request.path))
        return await answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


def a_kubeconfig(folder: Path, url: str, user: Mapping[str, Any] | None = None) -> Path:
    """Write a kubeconfig with one cluster and one user; return its path."""
    path = folder / "kubeconfig.yaml"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url}}],
        "users": [{"name": "test", "user": dict(user or {})}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path.write_bytes(msgspec.yaml.encode(config))
    return path


@asynccontextmanager
async def connected(
    folder: Path,
    url: str,
    user: Mapping[str, Any] | None = None,
    *,
    qps: float = 0.0,
    burst: int = 0,
    metrics: Metrics | None = None,
) -> AsyncIterator[Kube]:
    """Connect as a service does, for the length of a block."""
    path = a_kubeconfig(folder, url, user)
    config = KubeConfig(kubeconfig=str(path), kube_qps=qps, kube_burst=burst)
    kube = await connect(config, metrics)
    try:
        yield kube
    finally:
        await kube.close()
