"""Pods over the API: what an API server must do alike wherever the services meet one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from conformance.cluster_worlds import ClusterWorld, JsonObject, Run, ask
from runbus.runtime.kube_errors import (
    KubeConflictError,
    KubeExpiredError,
    KubeNotFoundError,
    KubeRefusedError,
)

LIMIT_S = 30.0
RUNNING = {
    "phase": "Running",
    "containerStatuses": [
        {
            "name": "main",
            "image": "x:1",
            "imageID": "x",
            "ready": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": "2026-11-01T10:00:00Z"}},
        }
    ],
}


def a_pod(name: str, shard: str = "00", **spec: Any) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"runbus.dev/shard": shard}},
        "spec": {
            "restartPolicy": "Never",
            "schedulerName": "nobody",
            "containers": [{"name": "main", "image": "x:1"}],
            **spec,
        },
    }


async def create(world: ClusterWorld, name: str, shard: str = "00", **spec: Any) -> JsonObject:
    return await ask(world.kube, "POST", world.pods, a_pod(name, shard, **spec))


async def get(world: ClusterWorld, name: str) -> JsonObject:
    return await ask(world.kube, "GET", f"{world.pods}/{name}")


def version(obj: JsonObject) -> str:
    return str(obj["metadata"]["resourceVersion"])


class Watching:
    """A watch whose events are taken one by one, as (type, object)."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""
        self._lines: list[bytes] = []

    async def next(self, *, bookmarks: bool = False) -> tuple[str, JsonObject]:
        while True:
            kind, obj = await self._any()
            if kind != "BOOKMARK" or bookmarks:
                return kind, obj

    async def kinds_to_its_end(self) -> set[str]:
        found: set[str] = set()
        while True:
            try:
                found.add((await self.next(bookmarks=True))[0])
            except StopAsyncIteration:
                return found

    async def _any(self) -> tuple[str, JsonObject]:
        async with asyncio.timeout(LIMIT_S):
            while not self._lines:
                *whole, self._rest = (self._rest + await anext(self._chunks)).split(b"\n")
                self._lines += [each for each in whole if each]
        event = msgspec.json.decode(self._lines.pop(0))
        return event["type"], event["object"]


@asynccontextmanager
async def watching(world: ClusterWorld, **query: str) -> AsyncIterator[Watching]:
    asked = {"watch": "true", "allowWatchBookmarks": "true", **query}
    async with world.kube.stream(world.pods, asked) as chunks:
        yield Watching(chunks)


def test_a_created_pod_gets_a_uid_a_version_and_waits(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        created = await create(world, "a")
        assert created["metadata"]["uid"]
        assert created["metadata"]["creationTimestamp"]
        assert created["status"]["phase"] == "Pending"
        assert await get(world, "a") == created

    on_cluster(case)


def test_a_name_is_taken_once(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        await create(world, "a")
        with pytest.raises(KubeConflictError) as raised:
            await create(world, "a")
        assert raised.value.reason == "AlreadyExists"

    on_cluster(case)


def test_what_is_wrong_is_refused_with_the_servers_words(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        with pytest.raises(KubeRefusedError) as raised:
            await ask(world.kube, "POST", world.pods, a_pod("a", containers=[]))
        assert raised.value.status == 422
        assert "spec.containers" in raised.value.message

    on_cluster(case)


def test_what_is_not_there_is_not_found(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        for method in ("GET", "DELETE"):
            with pytest.raises(KubeNotFoundError) as raised:
                await ask(world.kube, method, f"{world.pods}/a")
            assert raised.value.message == 'pods "a" not found'

    on_cluster(case)


def test_a_list_is_selected_by_labels(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        for name, shard in (("a", "00"), ("b", "01"), ("c", "02")):
            await create(world, name, shard)
        selector = "runbus.dev/shard in (00,02)"
        found = await ask(world.kube, "GET", world.pods, labelSelector=selector)
        assert [each["metadata"]["name"] for each in found["items"]] == ["a", "c"]
        everywhere = await ask(world.kube, "GET", "/api/v1/pods", labelSelector=selector)
        namespaces = [each["metadata"]["namespace"] for each in everywhere["items"]]
        assert namespaces.count(world.namespace) == 2

    on_cluster(case)


def test_a_list_comes_in_pages_of_one_moment(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        for number in range(5):
            await create(world, f"a{number}")
        names: list[str] = []
        versions: set[str] = set()
        query = {"limit": "2"}
        while True:
            page = await ask(world.kube, "GET", world.pods, **query)
            names += [each["metadata"]["name"] for each in page["items"]]
            versions.add(version(page))
            if not page["metadata"].get("continue"):
                break
            query["continue"] = page["metadata"]["continue"]
            await create(world, f"later{len(names)}")
        assert names == [f"a{number}" for number in range(5)]
        assert len(versions) == 1

    on_cluster(case)


def test_a_pod_without_a_node_is_gone_at_once(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        await create(world, "a")
        await ask(world.kube, "DELETE", f"{world.pods}/a")
        with pytest.raises(KubeNotFoundError):
            await get(world, "a")

    on_cluster(case)


def test_a_pod_on_a_node_has_its_grace(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        await create(world, "a", terminationGracePeriodSeconds=7)
        await world.bind("a")
        await ask(world.kube, "DELETE", f"{world.pods}/a")
        left = await get(world, "a")
        assert left["metadata"]["deletionGracePeriodSeconds"] == 7
        assert left["metadata"]["deletionTimestamp"]
        await ask(world.kube, "DELETE", f"{world.pods}/a", {"gracePeriodSeconds": 0})
        with pytest.raises(KubeNotFoundError):
            await get(world, "a")

    on_cluster(case)


@pytest.mark.parametrize("what", ["uid", "resourceVersion"])
def test_a_delete_is_held_against_its_preconditions(on_cluster: Run, what: str) -> None:
    async def case(world: ClusterWorld) -> None:
        created = await create(world, "a")
        await world.set_status("a", {"message": "changed"})
        wrong = {"uid": "other", "resourceVersion": version(created)}[what]
        with pytest.raises(KubeConflictError):
            await ask(world.kube, "DELETE", f"{world.pods}/a", {"preconditions": {what: wrong}})
        now = await get(world, "a")
        right = {what: now["metadata"][what]}
        await ask(world.kube, "DELETE", f"{world.pods}/a", {"preconditions": right})
        with pytest.raises(KubeNotFoundError):
            await get(world, "a")

    on_cluster(case)


def test_a_watch_goes_on_from_a_list(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        await create(world, "before")
        listed = await ask(world.kube, "GET", world.pods)
        await create(world, "a")
        async with watching(world, resourceVersion=version(listed)) as watch:
            kind, obj = await watch.next()
            assert (kind, obj["metadata"]["name"]) == ("ADDED", "a")
            await world.set_status("a", RUNNING)
            kind, obj = await watch.next()
            assert (kind, obj["status"]["phase"]) == ("MODIFIED", "Running")
            await ask(world.kube, "DELETE", f"{world.pods}/a")
            kind, obj = await watch.next()
            assert (kind, obj["metadata"]["deletionGracePeriodSeconds"]) == ("MODIFIED", 0)
            kind, obj = await watch.next()
            assert (kind, obj["metadata"]["name"]) == ("DELETED", "a")
            assert int(version(obj)) > int(version(listed))

    on_cluster(case)


def test_a_watch_shows_only_what_is_selected(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        at = version(await ask(world.kube, "GET", world.pods))
        selector = "runbus.dev/shard in (01)"
        async with watching(world, resourceVersion=at, labelSelector=selector) as watch:
            await create(world, "a", "00")
            await create(world, "b", "01")
            assert (await watch.next())[1]["metadata"]["name"] == "b"

    on_cluster(case)


async def first_bookmark(world: ClusterWorld, at: str) -> JsonObject:
    """Return a bookmark; a busy API server may come to a watch's end before it has sent one."""
    limit_s = str(world.bookmarked_watch_s)
    for number in range(5):
        async with watching(world, resourceVersion=at, timeoutSeconds=limit_s) as watch:
            await create(world, f"a{number}")  # Kubernetes sends none before it has news
            with contextlib.suppress(StopAsyncIteration):
                while True:
                    kind, obj = await watch.next(bookmarks=True)
                    if kind == "BOOKMARK":
                        return obj
    raise AssertionError("five watches ended without a bookmark")


def test_a_watch_says_how_far_it_is(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        at = version(await ask(world.kube, "GET", world.pods))
        obj = await first_bookmark(world, at)
        assert obj["kind"] == "Pod"
        assert int(version(obj)) >= int(at)

    on_cluster(case)


def test_a_watch_ends_after_the_time_asked_for(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        at = version(await ask(world.kube, "GET", world.pods))
        async with watching(world, resourceVersion=at, timeoutSeconds="1") as watch:
            assert await watch.kinds_to_its_end() <= {"BOOKMARK"}

    on_cluster(case)


def test_a_version_that_is_forgotten_is_expired(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        at = version(await create(world, "a"))
        await create(world, "b")
        await world.forget_history()
        async with watching(world, resourceVersion=at) as watch:
            kind, status = await watch.next()
        assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")

    on_cluster(case)


def test_a_continue_token_that_nobody_gave_is_refused(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        with pytest.raises((KubeRefusedError, KubeExpiredError)):
            await ask(world.kube, "GET", world.pods, **{"limit": "1", "continue": "nonsense"})

    on_cluster(case)


def test_a_pod_without_a_node_has_an_empty_log(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        await create(world, "a")
        assert await world.kube.request("GET", f"{world.pods}/a/log") == b""

    on_cluster(case)


def test_an_ended_pod_is_deleted_at_once(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        await create(world, "a", terminationGracePeriodSeconds=7)
        await world.bind("a")
        await world.set_status("a", {"phase": "Succeeded"})
        await ask(world.kube, "DELETE", f"{world.pods}/a")
        with pytest.raises(KubeNotFoundError):
            await get(world, "a")

    on_cluster(case)
