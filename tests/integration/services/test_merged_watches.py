"""Watches of shards become one: every change of both is told, and none twice."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from aiohttp import web

from runbus.contracts import labels
from runbus.reading.objects import Pod
from runbus.runtime.clock import SystemClock
from runbus.runtime.kube import Kube
from runbus.state_watcher.sources import selector_of
from runbus.state_watcher.watching import PodWatch
from support.kube_servers import an_object, connected, running_kube_server

ONE, TWO = "00", "01"
WITHIN_S = 20.0


class History:
    """An API server with nothing but changes: (version, kind, pod, shard)."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, str, str, str]] = []
        self.listed_at = "0"
        self.asked: list[tuple[str, str]] = []  # of each watch: from which version, what

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        selector = request.query["labelSelector"]
        if not request.query.get("watch"):
            return an_object({"metadata": {"resourceVersion": self.listed_at}, "items": []})
        since = request.query["resourceVersion"]
        self.asked.append((since, selector))
        response = web.StreamResponse()
        await response.prepare(request)
        for version, kind, name, shard in self.changes:
            if shard in selector and (not since.isdigit() or int(version) > int(since)):
                await response.write(a_line(version, kind, name, shard))
        await asyncio.sleep(WITHIN_S)
        return response


def a_line(version: str, kind: str, name: str, shard: str) -> bytes:
    metadata: dict[str, Any] = {"name": name, "uid": name, "resourceVersion": version}
    metadata["labels"] = {labels.SHARD: shard}
    return msgspec.json.encode({"type": kind, "object": {"metadata": metadata}}) + b"\n"


class Told:
    """What watches have told of changes and lists."""

    def __init__(self) -> None:
        self.changes: list[str] = []
        self.lists = 0
        self.news = asyncio.Event()

    def on_pod(self, pod: Pod, _seen_at: datetime, _live: bool) -> None:
        self.changes.append(pod.metadata.resource_version)
        self.news.set()

    def on_pod_gone(self, pod: Pod, _seen_at: datetime) -> None:
        self.changes.append(pod.metadata.resource_version)
        self.news.set()

    def on_list_begun(self, _scope: str) -> int:
        return self.lists + 1

    def on_list(self, _scope: str, number: int) -> None:
        self.lists = number

    def on_reachable(self, _scope: str, _reachable: bool) -> None:
        self.news.set()


def a_watch(kube: Kube, shard: str, told: Told) -> PodWatch:
    log = structlog.get_logger()
    return PodWatch(kube, "nlp", selector_of((shard,)), told, SystemClock(), log)


async def until_told(watch: PodWatch, told: Told, version: str) -> None:
    """Run a watch until it has told of a change, or (no version) until it is open."""
    async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(watch.run())
        while True:
            told.news.clear()
            await told.news.wait()
            if not version or version in told.changes:
                break
        running.cancel()


@pytest.mark.parametrize("is_ahead", [True, False])
async def test_watches_that_come_together_tell_each_change_once(
    tmp_path: Path, is_ahead: bool
) -> None:
    history, told = History(), Told()
    async with running_kube_server(history) as server, connected(tmp_path, server.url) as kube:
        one, two = a_watch(kube, ONE, told), a_watch(kube, TWO, told)
        history.changes = [
            *(("11", "ADDED", "a", ONE), ("12", "ADDED", "b", TWO)),
            *(("13", "DELETED", "a", ONE), ("14", "MODIFIED", "b", TWO)),
        ]
        history.listed_at = "10"
        await until_told(one, told, "13")
        await until_told(two, told, "14")
        history.changes += [("15", "DELETED", "b", TWO), ("16", "ADDED", "c", ONE)]
        await until_told(two if is_ahead else one, told, "15" if is_ahead else "16")

        one.absorb(two, (ONE,), (TWO,))
        one.select(selector_of((ONE, TWO)))
        history.changes.append(("17", "MODIFIED", "c", ONE))
        await until_told(one, told, "17")

    assert sorted(told.changes) == ["11", "12", "13", "14", "15", "16", "17"]
    assert history.asked[-1] == ("13" if is_ahead else "14", selector_of((ONE, TWO)))


async def test_versions_that_are_no_numbers_have_everything_listed_again(tmp_path: Path) -> None:
    history, told = History(), Told()
    async with running_kube_server(history) as server, connected(tmp_path, server.url) as kube:
        one, two = a_watch(kube, ONE, told), a_watch(kube, TWO, told)
        history.listed_at = "a"
        await until_told(one, told, "")
        await until_told(two, told, "")
        history.listed_at = "b"

        one.absorb(two, (ONE,), (TWO,))
        one.select(selector_of((ONE, TWO)))
        await until_told(one, told, "")

    assert told.lists == 3
    assert history.asked[-1] == ("b", selector_of((ONE, TWO)))
