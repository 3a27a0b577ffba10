"""The cluster is asked for its priority classes while the operator lists none, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import msgspec
import structlog

from runbus.runtime.config import ConfigError
from runbus.runtime.kube import Kube
from runbus.settings.defaults import Defaults
from runbus.spec_validator.priorities import PriorityClasses

FOUND = {
    "items": [
        {"metadata": {"name": "low"}, "value": 1},
        {"metadata": {"name": "high"}, "value": 9},
        {"metadata": {"name": "system-node-critical"}, "value": 2_000_000_000},
    ]
}


class Cluster:
    """A cluster that answers, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_closed = False

    async def connect(self) -> Kube:
        return cast("Kube", self)

    async def request(self, _method: str, _path: str) -> bytes:
        self.asked += 1
        return msgspec.json.encode(FOUND)

    async def close(self) -> None:
        self.is_closed = True


@asynccontextmanager
async def asking(classes: PriorityClasses, cluster: Cluster) -> AsyncIterator[None]:
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(classes.run(cluster.connect))
        await classes.looked.wait()
        yield
        task.cancel()


async def test_without_a_list_the_cluster_is_asked_highest_first() -> None:
    cluster = Cluster()
    classes = PriorityClasses(structlog.get_logger(), lambda: True)
    async with asking(classes, cluster):
        assert classes.highest_first == ("high", "low")
    assert cluster.is_closed


async def test_with_a_list_nobody_is_asked_until_it_is_taken_away() -> None:
    cluster, lists = Cluster(), ["mine"]
    classes = PriorityClasses(structlog.get_logger(), lambda: not lists)
    async with asking(classes, cluster):
        assert (cluster.asked, classes.highest_first) == (0, None)
        lists.clear()
        classes.look_again(Defaults())
        while classes.highest_first is None:
            await asyncio.sleep(0)
        assert classes.highest_first == ("high", "low")


async def test_without_a_cluster_nothing_is_known_and_nobody_waits() -> None:
    async def nowhere() -> Kube:
        text = "no kubeconfig"
        raise ConfigError(text)

    classes = PriorityClasses(structlog.get_logger(), lambda: True)
    await classes.run(nowhere)
    assert classes.looked.is_set()
    assert classes.highest_first is None
