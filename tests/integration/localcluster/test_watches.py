"""Watches of the local cluster, and the switches that make it misbehave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from support.cluster import LocalClusterProcess
from support.cluster_pods import NAMESPACE, PODS, container, pod

JsonObject = dict[str, Any]
pytestmark = pytest.mark.asyncio(loop_scope="module")
MERGE = "application/merge-patch+json"
MAPS = f"{NAMESPACE}/configmaps"
FAULTS = "/localcluster/v1/faults"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalClusterProcess]:
    folder = tmp_path_factory.mktemp("cluster") / "cluster"
    async with LocalClusterProcess(
        folder, scheduler=False, runner=False, bookmark_interval_s=0.2, history=200
    ) as started:
        yield started


def config(name: str, **data: str) -> JsonObject:
    return {"metadata": {"name": name}, "data": data}


def version_of(obj: JsonObject) -> str:
    return str(obj["metadata"]["resourceVersion"])


async def current_version(cluster: LocalClusterProcess, path: str = PODS) -> str:
    return version_of(await cluster.get(path))


class Watching:
    """A watch whose events are taken one by one."""

    def __init__(self, cluster: LocalClusterProcess, path: str, **query: str) -> None:
        self._events = cluster.events(path, **query)

    async def __aenter__(self) -> "Watching":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._events.aclose()

    async def next(self, limit_s: float = 5) -> JsonObject:
        async with asyncio.timeout(limit_s):
            return await anext(self._events)


async def test_a_watch_shows_the_state_then_changes(cluster: LocalClusterProcess) -> None:
    base = "/api/v1/namespaces/watched/configmaps"
    await cluster.create(base, config("a"))
    async with Watching(cluster, base) as watching:
        assert (await watching.next())["type"] == "ADDED"
        await cluster.create(base, config("b"))
        await cluster.request("PATCH", f"{base}/a", {"data": {"x": "1"}}, MERGE)
        await cluster.request("DELETE", f"{base}/b")
        events = [await watching.next() for _ in range(3)]
    assert [(e["type"], e["object"]["metadata"]["name"]) for e in events] == [
        ("ADDED", "b"),
        ("MODIFIED", "a"),
        ("DELETED", "b"),
    ]
    versions = [int(version_of(each["object"])) for each in events]
    assert versions == sorted(set(versions))
    assert events[0]["object"]["kind"] == "ConfigMap"


async def test_a_watch_resumes_without_loss(cluster: LocalClusterProcess) -> None:
    base = "/api/v1/namespaces/resumed/configmaps"
    created = await cluster.create(base, config("a"))
    await cluster.create(base, config("b"))
    await cluster.create(base, config("c"))
    async with Watching(cluster, base, resourceVersion=version_of(created)) as watching:
        names = [(await watching.next())["object"]["metadata"]["name"] for _ in range(2)]
    assert names == ["b", "c"]


async def test_a_selector_turns_changes_into_additions_and_deletions(
    cluster: LocalClusterProcess,
) -> None:
    version = await current_version(cluster)
    wanted = pod("labelled", container())
    wanted["metadata"]["labels"] = {"shard": "01"}
    await cluster.create(PODS, wanted)
    path = f"{PODS}/labelled"
    async with Watching(
        cluster, PODS, resourceVersion=version, labelSelector="shard in (02,03)"
    ) as watching:
        await cluster.request("PATCH", path, {"metadata": {"labels": {"shard": "02"}}}, MERGE)
        event = await watching.next()
        assert (event["type"], event["object"]["metadata"]["labels"]) == ("ADDED", {"shard": "02"})
        _, moved = await cluster.request(
            "PATCH", path, {"metadata": {"labels": {"shard": "05"}}}, MERGE
        )
        event = await watching.next()
        assert event["type"] == "DELETED"
        assert event["object"]["metadata"]["labels"] == {"shard": "02"}
        assert version_of(event["object"]) == version_of(moved)


async def test_bookmarks_come_when_asked_for(cluster: LocalClusterProcess) -> None:
    version = await current_version(cluster)
    async with Watching(
        cluster, PODS, resourceVersion=version, allowWatchBookmarks="true"
    ) as watching:
        await cluster.create(MAPS, config("elsewhere"))
        event = await watching.next()
    assert event["type"] == "BOOKMARK"
    assert event["object"]["kind"] == "Pod"
    assert int(version_of(event["object"])) > int(version)


async def test_initial_events_end_with_a_marked_bookmark(cluster: LocalClusterProcess) -> None:
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    async with Watching(cluster, "/api/v1/namespaces", **query) as watching:
        while (event := await watching.next())["type"] == "ADDED":
            continue
    assert event["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_watch_ends_after_its_timeout(cluster: LocalClusterProcess) -> None:
    version = await current_version(cluster)
    async with asyncio.timeout(5):
        events = [
            each async for each in cluster.events(PODS, resourceVersion=version, timeoutSeconds="1")
        ]
    assert events == []


async def test_a_watch_from_before_the_history_is_expired(cluster: LocalClusterProcess) -> None:
    version = await current_version(cluster, MAPS)
    await cluster.create(MAPS, config("busy"))
    for number in range(210):
        patch = {"data": {"n": str(number)}}
        await cluster.request("PATCH", f"{MAPS}/busy", patch, MERGE)
    events = [each async for each in cluster.events(MAPS, resourceVersion=version)]
    assert [each["type"] for each in events] == ["ERROR"]
    assert (events[0]["object"]["code"], events[0]["object"]["reason"]) == (410, "Expired")


async def test_an_armed_fault_answers_the_next_requests(cluster: LocalClusterProcess) -> None:
    fault = {"method": "POST", "path": f"{NAMESPACE}/*", "count": 2, "status": 429}
    code, _ = await cluster.request("POST", FAULTS, {**fault, "retry_after_s": 1})
    assert code == 201
    async with cluster.session.post(MAPS, json=config("f")) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
        assert (await answer.json())["details"] == {"retryAfterSeconds": 1}
    assert (await cluster.request("GET", MAPS))[0] == 200
    assert (await cluster.request("POST", MAPS, config("f")))[0] == 429
    assert (await cluster.request("POST", MAPS, config("f")))[0] == 201


async def test_a_dropped_answer_may_hide_a_write_that_was_done(
    cluster: LocalClusterProcess,
) -> None:
    for when, code in (("before", 404), ("after", 200)):
        fault = {"method": "POST", "drop": when}
        await cluster.request("POST", FAULTS, {**fault, "path": MAPS})
        with pytest.raises(aiohttp.ClientError):
            await cluster.request("POST", MAPS, config(f"dropped-{when}"))
        assert (await cluster.request("GET", f"{MAPS}/dropped-{when}"))[0] == code


async def test_a_fault_may_hang_and_be_disarmed(cluster: LocalClusterProcess) -> None:
    await cluster.request("POST", FAULTS, {"path": MAPS, "for_s": 60, "hang_s": 60})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await cluster.request("GET", MAPS)
    assert len((await cluster.request("GET", FAULTS))[1]) == 1
    await cluster.request("DELETE", FAULTS)
    assert (await cluster.request("GET", MAPS))[0] == 200


async def test_a_fault_that_cannot_be_read_is_refused(cluster: LocalClusterProcess) -> None:
    code, answer = await cluster.request("POST", FAULTS, {"colour": "red"})
    assert (code, answer["reason"]) == (400, "BadRequest")


async def test_watches_can_be_cut_and_history_forgotten(cluster: LocalClusterProcess) -> None:
    version = await current_version(cluster)
    async with Watching(cluster, PODS, resourceVersion=version) as watching:
        await cluster.create(PODS, pod("seen", container()))
        assert (await watching.next())["type"] == "ADDED"
        code, answer = await cluster.request("POST", f"{FAULTS}/cut-watches")
        assert (code, answer["cut"] >= 1) == (200, True)
        with pytest.raises(aiohttp.ClientError):
            await watching.next()
    await cluster.request("POST", f"{FAULTS}/forget-history")
    async with Watching(cluster, PODS, resourceVersion=version) as watching:
        event = await watching.next()
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    fresh = await current_version(cluster)
    async with Watching(cluster, PODS, resourceVersion=fresh) as watching:
        await cluster.create(PODS, pod("after-all", container()))
        assert (await watching.next())["type"] == "ADDED"


async def test_a_slow_watcher_is_cut_and_blocks_nobody(cluster: LocalClusterProcess) -> None:
    version = await current_version(cluster)
    url = f"{cluster.url}{MAPS}?watch=true&resourceVersion={version}"
    headers = {"Authorization": f"Bearer {cluster.token}"}
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(timeout=timeout, read_bufsize=1024) as session,
        session.get(url, headers=headers) as slow,
    ):
        await cluster.create(MAPS, config("flood"))
        big = "x" * 200_000
        async with asyncio.timeout(60):
            for number in range(260):
                patch = {"data": {"n": str(number), "big": big}}
                code, _ = await cluster.request("PATCH", f"{MAPS}/flood", patch, MERGE)
                assert code == 200
        rest = b""
        with contextlib.suppress(aiohttp.ClientError):
            async for chunk in slow.content.iter_any():
                rest = (rest + chunk)[-1000:]
        assert b'"code":410' in rest
