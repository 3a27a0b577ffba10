"""The local cluster's API over HTTP: authentication, writes, lists."""

import asyncio
import pathlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from support.cluster import LocalClusterProcess
from support.cluster_pods import NAMESPACE, PODS, condition, container, pod

JsonObject = dict[str, Any]
pytestmark = pytest.mark.asyncio(loop_scope="module")
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
MAPS = f"{NAMESPACE}/configmaps"


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


async def test_without_the_token_the_answer_is_401(cluster: LocalClusterProcess) -> None:
    async with aiohttp.ClientSession(cluster.url) as session:
        for headers in ({}, {"Authorization": "Bearer nonsense"}):
            async with session.get(PODS, headers=headers) as answer:
                assert answer.status == 401
                assert (await answer.json())["reason"] == "Unauthorized"
        async with session.get("/readyz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok")


async def test_a_namespace_is_made_with_the_first_object_in_it(
    cluster: LocalClusterProcess,
) -> None:
    await cluster.create("/api/v1/namespaces/team-a/configmaps", config("x"))
    shown = await cluster.get("/api/v1/namespaces/team-a")
    assert shown["status"]["phase"] == "Active"
    await cluster.get("/api/v1/namespaces/team-a/serviceaccounts/default")


async def test_a_deleted_namespace_takes_its_content_along(cluster: LocalClusterProcess) -> None:
    await cluster.create("/api/v1/namespaces/leaving/configmaps", config("x"))
    code, answer = await cluster.request("DELETE", "/api/v1/namespaces/leaving")
    assert (code, answer["status"]["phase"]) == (200, "Terminating")
    code, answer = await cluster.request(
        "POST", "/api/v1/namespaces/leaving/configmaps", config("y")
    )
    assert (code, answer["reason"]) == (403, "Forbidden")
    await cluster.wait_gone("/api/v1/namespaces/leaving", 10)
    listed = await cluster.get("/api/v1/namespaces/leaving/configmaps")
    assert listed["items"] == []


async def test_a_namespace_name_is_checked_before_it_is_made(
    cluster: LocalClusterProcess,
) -> None:
    code, answer = await cluster.request(
        "POST", "/api/v1/namespaces/Not_OK/configmaps", config("x")
    )
    assert (code, answer["reason"]) == (422, "Invalid")


async def test_writes_move_the_version_and_empty_ones_do_not(
    cluster: LocalClusterProcess,
) -> None:
    created = await cluster.create(MAPS, config("rv", a="1"))
    path = f"{MAPS}/rv"
    code, same = await cluster.request("PATCH", path, {"data": {"a": "1"}}, MERGE)
    assert (code, version_of(same)) == (200, version_of(created))
    code, same = await cluster.request("PUT", path, {**created})
    assert (code, version_of(same)) == (200, version_of(created))
    code, moved = await cluster.request("PATCH", path, {"data": {"a": "2", "b": "3"}}, MERGE)
    assert int(version_of(moved)) > int(version_of(created))
    assert moved["data"] == {"a": "2", "b": "3"}
    patch = [
        {"op": "test", "path": "/data/a", "value": "2"},
        {"op": "remove", "path": "/data/b"},
    ]
    code, moved = await cluster.request("PATCH", path, patch, JSON_PATCH)
    assert moved["data"] == {"a": "2"}
    code, answer = await cluster.request("PATCH", path, patch, JSON_PATCH)
    assert (code, answer["reason"]) == (422, "Invalid")
    code, answer = await cluster.request("PATCH", path, {}, "application/dance+json")
    assert (code, answer["reason"]) == (415, "UnsupportedMediaType")


async def test_a_stale_write_is_refused(cluster: LocalClusterProcess) -> None:
    created = await cluster.create(MAPS, config("stale"))
    await cluster.request("PATCH", f"{MAPS}/stale", {"data": {"a": "1"}}, MERGE)
    code, answer = await cluster.request("PUT", f"{MAPS}/stale", created)
    assert (code, answer["reason"]) == (409, "Conflict")
    old = {"metadata": {"resourceVersion": version_of(created)}, "data": {"a": "2"}}
    code, answer = await cluster.request("PATCH", f"{MAPS}/stale", old, MERGE)
    assert (code, answer["reason"]) == (409, "Conflict")
    other = {"name": "stale", "uid": "00000000-0000-4000-8000-000000000000"}
    code, answer = await cluster.request("PUT", f"{MAPS}/stale", {"metadata": other})
    assert (code, answer["reason"]) == (409, "Conflict")
    code, answer = await cluster.request("PATCH", f"{MAPS}/stale", {"metadata": other}, MERGE)
    assert (code, answer["reason"]) == (422, "Invalid")


async def test_status_and_spec_are_written_apart(cluster: LocalClusterProcess) -> None:
    await cluster.create(PODS, pod("apart", container()))
    path = f"{PODS}/apart"
    patch = {"status": {"phase": "Running"}, "spec": {"nodeName": "n"}}
    _, shown = await cluster.request("PATCH", f"{path}/status", patch, MERGE)
    assert shown["status"]["phase"] == "Running"
    assert "nodeName" not in shown["spec"]
    assert shown["status"]["qosClass"] == "BestEffort"
    one = {"status": {"conditions": [{"type": "A", "status": "True"}]}}
    two = {"status": {"conditions": [{"type": "B", "status": "True"}]}}
    await cluster.request("PATCH", f"{path}/status", one, STRATEGIC)
    _, shown = await cluster.request("PATCH", f"{path}/status", two, STRATEGIC)
    assert [each["type"] for each in shown["status"]["conditions"]] == ["B", "A"]
    _, shown = await cluster.request("PATCH", f"{path}/status", one, MERGE)
    assert [each["type"] for each in shown["status"]["conditions"]] == ["A"]


async def test_binding_is_done_once(cluster: LocalClusterProcess) -> None:
    await cluster.create(PODS, pod("bind", container()))
    binding = {"target": {"kind": "Node", "name": "n1"}}
    code, _ = await cluster.request("POST", f"{PODS}/bind/binding", binding)
    assert code == 201
    shown = await cluster.get(f"{PODS}/bind")
    assert shown["spec"]["nodeName"] == "n1"
    assert condition(shown, "PodScheduled")["status"] == "True"
    code, answer = await cluster.request("POST", f"{PODS}/bind/binding", binding)
    assert (code, answer["message"]) == (
        409,
        'Operation cannot be fulfilled on pods/binding "bind": '
        'pod bind is already assigned to node "n1"',
    )


async def test_a_bound_pod_stays_until_its_kubelet_confirms(
    cluster: LocalClusterProcess,
) -> None:
    created = await cluster.create(PODS, pod("bound", container(), nodeName="n1"))
    path, uid = f"{PODS}/bound", created["metadata"]["uid"]
    stale = {"preconditions": {"uid": uid, "resourceVersion": version_of(created)}}
    patch = {"metadata": {"annotations": {"a": "b"}}}
    await cluster.request("PATCH", path, patch, MERGE)
    code, answer = await cluster.request("DELETE", path, stale)
    assert (code, answer["reason"]) == (409, "Conflict")
    code, answer = await cluster.request("DELETE", path, {"preconditions": {"uid": uid}})
    assert (code, answer["metadata"]["deletionGracePeriodSeconds"]) == (200, 30)
    marked = answer
    _, answer = await cluster.request("DELETE", path, {"gracePeriodSeconds": 60})
    assert version_of(answer) == version_of(marked)
    _, answer = await cluster.request("DELETE", path, {"gracePeriodSeconds": 5})
    assert answer["metadata"]["deletionGracePeriodSeconds"] == 5
    assert answer["metadata"]["deletionTimestamp"] < marked["metadata"]["deletionTimestamp"]
    code, _ = await cluster.request("DELETE", path, {"gracePeriodSeconds": 0})
    assert code == 200
    assert (await cluster.request("GET", path))[0] == 404


async def test_an_ended_pod_is_deleted_at_once(cluster: LocalClusterProcess) -> None:
    await cluster.create(PODS, pod("over", container(), nodeName="n1"))
    await cluster.request("PATCH", f"{PODS}/over/status", {"status": {"phase": "Failed"}}, MERGE)
    await cluster.request("DELETE", f"{PODS}/over")
    assert (await cluster.request("GET", f"{PODS}/over"))[0] == 404


async def test_finalizers_hold_an_object_until_they_are_gone(
    cluster: LocalClusterProcess,
) -> None:
    body = config("held")
    body["metadata"]["finalizers"] = ["example.com/f"]
    await cluster.create(MAPS, body)
    await cluster.request("DELETE", f"{MAPS}/held")
    assert "deletionTimestamp" in (await cluster.get(f"{MAPS}/held"))["metadata"]
    patch = {"metadata": {"finalizers": None}}
    await cluster.request("PATCH", f"{MAPS}/held", patch, MERGE)
    assert (await cluster.request("GET", f"{MAPS}/held"))[0] == 404


async def test_dry_runs_store_nothing(cluster: LocalClusterProcess) -> None:
    code, answer = await cluster.request("POST", MAPS, config("dry"), dryRun="All")
    assert code == 201
    assert "resourceVersion" not in answer["metadata"]
    assert (await cluster.request("GET", f"{MAPS}/dry"))[0] == 404
    await cluster.create(MAPS, config("wet"))
    await cluster.request("DELETE", f"{MAPS}/wet", dryRun="All")
    assert (await cluster.request("GET", f"{MAPS}/wet"))[0] == 200


async def test_priority_comes_from_the_class(cluster: LocalClusterProcess) -> None:
    classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
    await cluster.create(classes, {"metadata": {"name": "urgent"}, "value": 500})
    shown = await cluster.create(PODS, pod("urgent", container(), priorityClassName="urgent"))
    assert shown["spec"]["priority"] == 500
    names = [each["metadata"]["name"] for each in (await cluster.get(classes))["items"]]
    assert names == ["system-cluster-critical", "system-node-critical", "urgent"]


async def test_pages_show_one_moment(cluster: LocalClusterProcess) -> None:
    base = "/api/v1/namespaces/pages/configmaps"
    for number in range(5):
        await cluster.create(base, config(f"m{number}"))
    first = await cluster.get(base, limit="2")
    assert first["metadata"]["remainingItemCount"] == 3
    await cluster.request("DELETE", f"{base}/m3")
    await cluster.create(base, config("m9"))
    names = [each["metadata"]["name"] for each in first["items"]]
    token = first["metadata"]["continue"]
    while token:
        page = await cluster.get(base, **{"limit": "2", "continue": token})
        assert version_of(page) == version_of(first)
        names += [each["metadata"]["name"] for each in page["items"]]
        token = page["metadata"].get("continue", "")
    assert names == ["m0", "m1", "m2", "m3", "m4"]
    for _ in range(40):
        await cluster.get(base, limit="1")
    code, answer = await cluster.request(
        "GET", base, None, "", **{"limit": "2", "continue": first["metadata"]["continue"]}
    )
    assert (code, answer["reason"]) == (410, "Expired")


async def test_a_delete_of_a_collection_takes_the_selected(cluster: LocalClusterProcess) -> None:
    base = "/api/v1/namespaces/many/configmaps"
    for name, color in (("a", "red"), ("b", "blue"), ("c", "red")):
        body = config(name)
        body["metadata"]["labels"] = {"color": color}
        await cluster.create(base, body)
    code, answer = await cluster.request("DELETE", base, labelSelector="color=red")
    assert (code, len(answer["items"])) == (200, 2)
    assert [each["metadata"]["name"] for each in (await cluster.get(base))["items"]] == ["b"]


async def test_a_wrong_usage_is_told_and_ends_with_2(tmp_path: pathlib.Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "runbus.localcluster",
        "--dir",
        str(tmp_path),
        "--cpu",
        "two",
        stderr=asyncio.subprocess.PIPE,
    )
    _, stderr = await process.communicate()
    assert process.returncode == 2
    assert b"'two' is no quantity such as 500m or 8Gi" in stderr
