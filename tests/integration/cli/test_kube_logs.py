"""Logs over an API connection that breaks, refuses, or needs more than a token."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from runbus.cli import kube_logs

LINES = [
    "2026-01-01T00:00:00.1Z hello",
    "2026-01-01T00:00:00.1Z world",
    "2026-01-01T00:00:00.1Z again",
    "2026-01-01T00:00:00.2Z more",
    "2026-01-01T00:00:00.3Z end",
]


class Api:
    """An API server that knows one log; each connection gives some lines and breaks, or ends."""

    def __init__(self, *connections: int) -> None:
        self._connections = list(connections)
        self.queries: list[dict[str, str]] = []

    async def log(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        if request.headers.get("Authorization") != "Bearer abc":
            return web.json_response({"message": "who are you?"}, status=401)
        if request.match_info["pod"] != "p":
            message = {"message": 'pods "q" not found'}
            return web.json_response(message, status=404)
        response = web.StreamResponse()
        await response.prepare(request)
        since = request.query.get("sinceTime", "")
        lines = [line for line in LINES if line.split()[0] >= since]
        count = self._connections.pop(0) if self._connections else len(lines)
        await response.write("".join(f"{line}\n" for line in lines[:count]).encode())
        if count < len(lines):
            assert request.transport is not None
            request.transport.close()
        return response


@asynccontextmanager
async def served(api: Api, folder: Path, **user: object) -> AsyncIterator[str]:
    """Serve an API for the length of a block; gives the path of a kubeconfig."""
    app = web.Application()
    app.router.add_get("/api/v1/namespaces/n/pods/{pod}/log", api.log)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    cluster = {"server": f"http://127.0.0.1:{port}", **user}
    path = folder / "kubeconfig"
    path.write_text(
        json.dumps(
            {
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": {"token": "abc"}}],
            }
        )
    )
    try:
        yield str(path)
    finally:
        await runner.cleanup()


async def read(path: str, pod: str = "p", *, follow: bool = True) -> list[str]:
    """Return the lines of the log."""
    async with kube_logs.connect(path) as logs:
        return [line async for line in logs.lines("n", pod, "main", follow=follow, tail=None)]


@pytest.mark.parametrize("connections", [(), (1,), (2,), (3, 1), (4,), (1, 2, 3)])
async def test_a_broken_connection_neither_loses_nor_repeats_a_line(
    connections: tuple[int, ...], tmp_path: Path
) -> None:
    api = Api(*connections)
    async with served(api, tmp_path) as path:
        assert await read(path) == ["hello", "world", "again", "more", "end"]
    assert len(api.queries) == len(connections) + 1
    assert ["sinceTime" in query for query in api.queries] == [False] + [True] * len(connections)


async def test_a_pod_that_is_gone_is_told_in_the_servers_words(tmp_path: Path) -> None:
    async with served(Api(), tmp_path) as path:
        with pytest.raises(kube_logs.PodGoneError, match='pods "q" not found'):
            await read(path, "q")


async def test_a_log_that_breaks_without_being_followed_is_an_error(tmp_path: Path) -> None:
    async with served(Api(2), tmp_path) as path:
        with pytest.raises(kube_logs.KubeLogError, match="cannot be read"):
            await read(path, follow=False)


async def test_a_kubeconfig_that_needs_more_goes_through_kubernetes_own_client(
    tmp_path: Path,
) -> None:
    async with served(Api(), tmp_path, **{"insecure-skip-tls-verify": True}) as path:
        assert await read(path) == ["hello", "world", "again", "more", "end"]


async def test_an_address_where_nobody_listens_is_an_error(tmp_path: Path) -> None:
    async with served(Api(), tmp_path) as path:
        pass
    with pytest.raises(kube_logs.KubeLogError, match="cannot be read"):
        await read(path)
