"""The local cluster's API over HTTP: writes, lists, watches, refusals, fault switches."""

import asyncio
import contextlib
import io
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


async def test_without_the_token_the_answer_is_401(cluster: LocalClusterProcess) -> None:
    async with aiohttp.ClientSession(cluster.url) as session:
        for headers in ({}, {"Authorization": "Bearer nonsense"}):
            async with session.get(PODS, headers=headers) as answer:
                assert answer.status == 401
                assert (await answer.json())["reason"] == "Unauthorized"
        async with session.get("/readyz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok")
        async with session.get(f"/token/{cluster.token}{PODS}?limit=1") as answer:
            assert answer.status == 200
        async with session.get(f"/token/wrong{PODS}") as answer:
            assert answer.status == 401


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
    code, answer = await cluster.request("PATCH", path, {}, "application/apply-patch+yaml")
    assert (code, answer["reason"]) == (415, "UnsupportedMediaType")


async def test_a_stale_write_is_refused(cluster: LocalClusterProcess) -> None:
    created = await cluster.create(MAPS, config("stale"))
    await cluster.request("PATCH", f"{MAPS}/stale", {"data": {"a": "1"}}, MERGE)
    code, answer = await cluster.request("PUT", f"{MAPS}/stale", created)
    assert (code, answer["reason"]) == (409, "Conflict")
    old = {"metadata": {"resourceVersion": version_of(created)}, "data": {"a": "2"}}
    code, answer = await cluster.request("PATCH", f"{MAPS}/stale", old, MERGE)
    assert (code, answer["reason"]) == (409, "Conflict")
    other = {"metadata": {"uid": "00000000-0000-4000-8000-000000000000"}}
    code, answer = await cluster.request("PATCH", f"{MAPS}/stale", other, MERGE)
    assert (code, answer["reason"]) == (409, "Conflict")


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
    assert [each["type"] for each in shown["status"]["conditions"]] == ["A", "B"]
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


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"containers": []}, "spec.containers", "Required value"),
        ({"restartPolicy": "Sometimes"}, "spec.restartPolicy", 'Unsupported value: "Sometimes"'),
        (
            {"containers": [{"name": "main"}]},
            "spec.containers[0].image",
            "Required value",
        ),
        (
            {"containers": [container("main"), container("main")]},
            "spec.containers[1].name",
            'Duplicate value: "main"',
        ),
        (
            {"containers": [container("Main_")]},
            "spec.containers[0].name",
            'Invalid value: "Main_": a lowercase RFC 1123 label',
        ),
        (
            {
                "containers": [
                    container(
                        resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}},
                    )
                ]
            },
            "spec.containers[0].resources.requests",
            'Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        (
            {"containers": [container(volumeMounts=[{"name": "v", "mountPath": "/v"}])]},
            "spec.containers[0].volumeMounts[0].name",
            'Not found: "v"',
        ),
        (
            {"volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]},
            "spec.volumes[1].name",
            'Duplicate value: "v"',
        ),
        (
            {"containers": [container(env=[{"name": "a=b", "value": ""}])]},
            "spec.containers[0].env[0].name",
            'Invalid value: "a=b"',
        ),
        (
            {"tolerations": [{"value": "x"}]},
            "spec.tolerations[0].operator",
            'Invalid value: "": operator must be Exists when `key` is empty',
        ),
        ({"nodeSelector": {"k": "a b"}}, "spec.nodeSelector", 'Invalid value: "a b"'),
    ],
)
async def test_an_invalid_pod_is_refused_with_its_field(
    cluster: LocalClusterProcess, change: JsonObject, field: str, message: str
) -> None:
    wanted = pod("invalid", container())
    wanted["spec"] |= change
    code, answer = await cluster.request("POST", PODS, wanted)
    assert (code, answer["reason"]) == (422, "Invalid")
    causes = {each["field"]: each["message"] for each in answer["details"]["causes"]}
    assert causes[field].startswith(message)


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({"containers": [{"name": 1}]}, "Expected `str"),
        ({"containers": "none"}, "Expected `array"),
        (
            {"containers": [container(resources={"requests": {"cpu": "1 G"}})]},
            "quantities must match the regular expression",
        ),
    ],
)
async def test_a_pod_of_wrong_types_is_a_bad_request(
    cluster: LocalClusterProcess, spec: JsonObject, part: str
) -> None:
    wanted = pod("types", container())
    wanted["spec"] |= spec
    code, answer = await cluster.request("POST", PODS, wanted)
    assert (code, answer["reason"]) == (400, "BadRequest")
    assert answer["message"].startswith('Pod in version "v1" cannot be handled as a Pod: ')
    assert part in answer["message"]


async def test_a_pod_with_an_unknown_service_account_is_forbidden(
    cluster: LocalClusterProcess,
) -> None:
    wanted = pod("account", container(), serviceAccountName="nobody")
    code, answer = await cluster.request("POST", PODS, wanted)
    assert code == 403
    assert answer["message"] == (
        'pods "account" is forbidden: error looking up service account default/nobody: '
        'serviceaccount "nobody" not found'
    )


async def test_a_quota_refuses_the_pod_that_is_too_many(cluster: LocalClusterProcess) -> None:
    base = "/api/v1/namespaces/small"
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "2"}}}
    await cluster.create(f"{base}/resourcequotas", quota)
    for name in ("a", "b"):
        await cluster.create(f"{base}/pods", pod(name, container()))
    code, answer = await cluster.request("POST", f"{base}/pods", pod("c", container()))
    assert code == 403
    assert answer["message"] == (
        'pods "c" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, '
        "limited: pods=2"
    )
    code, answer = await cluster.request("POST", f"{base}/pods", pod("a", container()))
    assert (code, answer["reason"]) == (409, "AlreadyExists")
    shown = await cluster.get(f"{base}/resourcequotas/few")
    assert shown["status"] == {"hard": {"pods": "2"}, "used": {"pods": "2"}}
    await cluster.request("DELETE", f"{base}/pods/a")
    await cluster.create(f"{base}/pods", pod("c", container()))


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


async def test_a_version_from_the_future_is_refused(cluster: LocalClusterProcess) -> None:
    code, answer = await cluster.request("GET", PODS, resourceVersion="999999999999999999")
    assert (code, answer["reason"]) == (504, "Timeout")


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ({"labelSelector": "a in"}, "unable to parse requirement"),
        ({"labelSelector": "a=b=c"}, "unable to parse requirement"),
        ({"fieldSelector": "spec.color=red"}, "field label not supported: spec.color"),
        ({"fieldSelector": "nonsense"}, "invalid field selector"),
        ({"limit": "many"}, 'invalid value for parameter "limit"'),
        ({"resourceVersion": "abc"}, 'invalid resource version: "abc"'),
        ({"watch": "maybe"}, 'invalid value for parameter "watch"'),
    ],
)
async def test_a_bad_question_is_a_bad_request(
    cluster: LocalClusterProcess, query: dict[str, str], part: str
) -> None:
    code, answer = await cluster.request("GET", PODS, **query)
    assert (code, answer["reason"]) == (400, "BadRequest")
    assert part in answer["message"]


async def test_a_body_that_is_too_large_is_refused(cluster: LocalClusterProcess) -> None:
    body = io.BytesIO(b'{"metadata": {"name": "huge"}, "data": {"a": "%b"}}' % (b"x" * 4_000_000))
    headers = {"Content-Type": "application/json"}
    async with cluster.session.post(MAPS, data=body, headers=headers) as answer:
        assert answer.status == 413
        assert (await answer.json())["reason"] == "RequestEntityTooLarge"


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
