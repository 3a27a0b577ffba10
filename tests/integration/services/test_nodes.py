"""What the state-watcher knows of nodes, before an API server that the test answers for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from aiohttp import web

from runbus.state_watcher.nodes import KEPT_S, REFUSED_S, NodeLabels, Nodes
from support.clocks import ManualClock
from support.kube_servers import KubeServer, a_refusal, an_object, connected, running_kube_server

SPOT = NodeLabels({"spot": "yes"})
GONE = NodeLabels(None)
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Asking:
    """The nodes, who was woken, and the server that is asked."""

    def __init__(self, nodes: Nodes, clock: ManualClock, server: KubeServer) -> None:
        self.nodes, self.clock, self.server = nodes, clock, server
        self.woken: asyncio.Queue[str] = asyncio.Queue()

    async def is_woken(self) -> str:
        async with asyncio.timeout(10):
            return await self.woken.get()

    @property
    def asked(self) -> list[str]:
        return self.server.asked_to("GET")


@asynccontextmanager
async def asking(folder: Path, answer: Answer) -> AsyncIterator[Asking]:
    clock = ManualClock()
    async with running_kube_server(answer) as server, connected(folder, server.url) as kube:
        woken: list[Asking] = []
        nodes = Nodes(
            kube, clock, structlog.get_logger(), lambda key: woken[0].woken.put_nowait(key)
        )
        found = Asking(nodes, clock, server)
        woken.append(found)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(nodes.run())
            yield found
            running.cancel()


async def tells_labels(_request: web.Request) -> web.StreamResponse:
    return an_object({"metadata": {"name": "n", "labels": {"spot": "yes"}}})


async def knows_none(_request: web.Request) -> web.StreamResponse:
    return a_refusal(404, "not found")


async def refuses(_request: web.Request) -> web.StreamResponse:
    return a_refusal(403, "nodes is forbidden")


async def test_a_node_is_asked_about_once_and_wakes_all_who_asked(tmp_path: Path) -> None:
    async with asking(tmp_path, tells_labels) as found:
        assert found.nodes.ask("n", "a") is None
        assert found.nodes.ask("n", "b") is None
        assert {await found.is_woken(), await found.is_woken()} == {"a", "b"}

        assert found.nodes.ask("n", "a") == SPOT
        assert found.asked == ["/api/v1/nodes/n"]


async def test_what_was_told_long_ago_is_asked_again(tmp_path: Path) -> None:
    async with asking(tmp_path, tells_labels) as found:
        found.nodes.ask("n", "a")
        await found.is_woken()
        found.clock.advance(KEPT_S)

        assert found.nodes.ask("n", "a") is None
        assert await found.is_woken() == "a"
        assert found.nodes.ask("n", "a") == SPOT
        assert len(found.asked) == 2


async def test_a_node_that_is_gone_is_an_answer_and_not_asked_for_again(tmp_path: Path) -> None:
    async with asking(tmp_path, knows_none) as found:
        found.nodes.ask("n", "a")
        await found.is_woken()

        assert found.nodes.ask("n", "a") == GONE
        assert len(found.asked) == 1


async def test_where_nodes_may_not_be_read_no_other_is_asked_about_for_a_while(
    tmp_path: Path,
) -> None:
    async with asking(tmp_path, refuses) as found:
        found.nodes.ask("n", "a")
        await found.is_woken()

        assert [found.nodes.ask(name, "a") for name in ("n", "m")] == [GONE, GONE]
        assert len(found.asked) == 1
        found.clock.advance(REFUSED_S)
        assert found.nodes.ask("m", "a") is None
        assert await found.is_woken() == "a"
        assert len(found.asked) == 2
