"""The connection to Kubernetes, before an API server that the test answers for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from runbus.runtime.kube import Kube
from runbus.runtime.kube_errors import KubeUnavailableError
from runbus.runtime.kube_library import kube_library
from support.kube_servers import (
    a_kubeconfig,
    a_refusal,
    an_object,
    connected,
    running_kube_server,
)


class Doorkeeper:
    """Lets in who shows one token."""

    def __init__(self, token: str) -> None:
        self.token = token

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return a_refusal(401, "Unauthorized")
        return an_object({})


class Plugin:
    """An exec plugin: each time it is run it gives out another token, `token-1` the first time."""

    def __init__(self, folder: Path, *, runs_max: int = 100) -> None:
        self._count = folder / "count"
        self._count.write_text("0")
        script = folder / "plugin.sh"
        status = '{"token": "token-\'$n\'"}'
        script.write_text(
            f"#!/bin/sh\nn=$(( $(cat {self._count}) + 1 ))\necho $n > {self._count}\n"
            f"[ $n -gt {runs_max} ] && {{ echo no more >&2; exit 1; }}\n"
            'echo \'{"apiVersion": "client.authentication.k8s.io/v1",'
            f' "kind": "ExecCredential", "status": {status}}}\'\n'
        )
        script.chmod(0o755)
        self.user: dict[str, Any] = {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": str(script),
            }
        }

    @property
    def runs(self) -> int:
        return int(self._count.read_text())


@asynccontextmanager
async def guarded(
    folder: Path, user: dict[str, Any], token: str
) -> AsyncIterator[tuple[Kube, Doorkeeper]]:
    """Connect to a server that lets in who shows a token."""
    door = Doorkeeper(token)
    async with running_kube_server(door) as server, connected(folder, server.url, user) as kube:
        yield kube, door


async def test_a_token_that_is_refused_is_replaced_by_the_plugins_newest(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path)
    async with guarded(tmp_path, plugin.user, "token-1") as (kube, door):
        await kube.request("GET", "/first")
        door.token = "token-2"

        await kube.request("POST", "/second", body={})

    assert plugin.runs == 2


async def test_a_watch_that_is_refused_is_opened_with_the_newest_token(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path)
    async with (
        guarded(tmp_path, plugin.user, "token-2") as (kube, _),
        kube.stream("/watch", {}) as chunks,
    ):
        assert [chunk async for chunk in chunks] == [b"{}"]


async def test_many_requests_that_are_refused_at_once_run_the_plugin_once(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path)
    async with guarded(tmp_path, plugin.user, "token-2") as (kube, _), asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(kube.request("GET", f"/{number}"))

    assert plugin.runs == 2


async def test_the_plugin_is_not_run_for_each_request_that_stays_refused(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path)
    async with guarded(tmp_path, plugin.user, "nobody has it") as (kube, _):
        for number in range(5):
            with pytest.raises(KubeUnavailableError) as caught:
                await kube.request("GET", f"/{number}")
            assert caught.value.status == 401

    assert plugin.runs == 2


async def test_a_plugin_that_fails_is_named_and_may_be_well_again(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, runs_max=1)
    async with guarded(tmp_path, plugin.user, "token-2") as (kube, _):
        with pytest.raises(KubeUnavailableError, match="no more"):
            await kube.request("GET", "/")


async def test_a_token_that_was_changed_in_the_kubeconfig_is_read_again(tmp_path: Path) -> None:
    async with guarded(tmp_path, {"token": "old"}, "new") as (kube, _):
        a_kubeconfig(tmp_path, kube.url, {"token": "new"})

        await kube.request("GET", "/")


@asynccontextmanager
async def hooked(url: str, hook: Any) -> AsyncIterator[Kube]:
    """Connect with a hook that is called for each token, as in a cluster."""
    library = kube_library()
    configuration = library.Configuration(host=url)
    configuration.api_key["BearerToken"] = "Bearer t"
    configuration.refresh_api_key_hook = hook
    kube = Kube(configuration, library.RESTClientObject(configuration))
    try:
        yield kube
    finally:
        await kube.close()


async def test_a_hook_that_fails_makes_the_api_server_unavailable(tmp_path: Path) -> None:
    def hook(_configuration: object) -> None:
        (tmp_path / "token").read_text()

    async with (
        running_kube_server(Doorkeeper("t")) as server,
        hooked(server.url, hook) as kube,
    ):
        with pytest.raises(KubeUnavailableError, match="FileNotFoundError"):
            await kube.request("GET", "/")
        with pytest.raises(KubeUnavailableError, match="FileNotFoundError"):
            async with kube.stream("/watch", {}):
                pass


async def test_a_request_whose_time_was_over_before_it_was_sent_is_not_sent() -> None:
    still_s = 0.0
    async with (
        running_kube_server(Doorkeeper("t")) as server,
        hooked(server.url, lambda _: time.sleep(still_s)) as kube,
    ):
        await kube.request("GET", "/warm")  # the next one finds a connection at hand
        still_s = 0.2

        with pytest.raises(KubeUnavailableError, match="no answer"):
            await kube.request("POST", "/late", timeout_s=0.1)

    assert server.asked == [("GET", "/warm")]
