"""The watcher's list of pods, page by page, before an API server that the test answers for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
import structlog
from aiohttp import web

from runbus.reading.objects import Pod
from runbus.runtime.clock import SystemClock
from runbus.state_watcher.watching import PodWatch
from support.kube_servers import a_refusal, an_object, connected, running_kube_server

PAGES = {"": ("a", "b"), "two": ("c",), "three": ("d", "e")}
NEXT = {"": "two", "two": "three", "three": ""}


class Taken:
    """What a watch has told of a list."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.seen_at: list[datetime] = []
        self.listed = asyncio.Event()

    def on_pod(self, pod: Pod, seen_at: datetime, live: bool) -> None:
        assert not live
        self.told.append(pod.metadata.name)
        self.seen_at.append(seen_at)

    def on_pod_gone(self, _pod: Pod, _seen_at: datetime) -> None:
        raise AssertionError

    def on_list_begun(self, _scope: str) -> int:
        self.told.append("begun")
        return 1

    def on_list(self, _scope: str, _number: int) -> None:
        self.told.append("listed")
        self.listed.set()

    def on_reachable(self, _scope: str, reachable: bool) -> None:
        self.told.append("reachable" if reachable else "unreachable")


class Cluster:
    """Answers lists in pages; `refuse` says with what instead, by the page's token."""

    def __init__(self, refuse: Callable[[str], int] = lambda _token: 0) -> None:
        self.asked: list[str] = []
        self._refuse = refuse

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch"):
            await asyncio.sleep(60)
        token = request.query.get("continue", "")
        self.asked.append(token)
        code = self._refuse(token)
        if code:
            return a_refusal(code, "the list is too old", "Expired")
        pods = [{"metadata": {"name": name, "uid": name}} for name in PAGES[token]]
        metadata = {"resourceVersion": "7", "continue": NEXT[token]}
        return an_object({"metadata": metadata, "items": pods})


async def listed(folder: Path, cluster: Cluster) -> Taken:
    """Have a watch list, until the list is in as a whole."""
    taken = Taken()
    async with running_kube_server(cluster) as server, connected(folder, server.url) as kube:
        watch = PodWatch(kube, "nlp", "x", taken, SystemClock(), structlog.get_logger())
        async with asyncio.TaskGroup() as tasks, asyncio.timeout(20):
            watching = tasks.create_task(watch.run())
            await taken.listed.wait()
            watching.cancel()
    return taken


async def test_pages_come_in_order_and_each_is_as_new_as_its_question(tmp_path: Path) -> None:
    began = datetime.now().astimezone()
    cluster = Cluster()

    taken = await listed(tmp_path, cluster)

    assert taken.told == ["begun", "a", "b", "c", "d", "e", "listed"]
    assert cluster.asked == ["", "two", "three"]
    assert [began, *taken.seen_at] == sorted([began, *taken.seen_at])


@pytest.mark.parametrize(("code", "told"), [(410, []), (500, ["unreachable"])])
async def test_a_page_that_fails_begins_the_list_anew(
    tmp_path: Path, code: int, told: list[str]
) -> None:
    failures = iter([code])
    cluster = Cluster(lambda token: next(failures, 0) if token == "three" else 0)

    taken = await listed(tmp_path, cluster)

    assert taken.told == [
        *("begun", "a", "b", "c", *told),
        *("begun", "a", "b", "c", "d", "e", "listed"),
    ]
