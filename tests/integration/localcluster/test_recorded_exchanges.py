"""The local cluster answers as a real kube-apiserver did: 57 recorded exchanges, played again.

Compared: status code, content type, every Status (reason, message, details), and the shape of
every other answer (each recorded field is there, with the same JSON type), what moves a pod's
resourceVersion, and the watch events that the same requests lead to.
"""

import asyncio
import itertools
import json
import os
import pathlib
import re
from typing import Any

import pytest
from yarl import URL

from support.cluster import LocalClusterProcess

JsonObject = dict[str, Any]
DATA = pathlib.Path(os.environ.get("RUNBUS_TEST_DATA", "")) / "kube_recorded"
OPTIONS = {"runner": False, "create_namespaces": False, "node_grace_s": 1000}
PODS = "/api/v1/namespaces/default/pods"

pytestmark = pytest.mark.skipif(
    not os.environ.get("RUNBUS_TEST_DATA") or not (DATA / "exchanges.jsonl").exists(),
    reason="RUNBUS_TEST_DATA does not name a folder with kube_recorded/exchanges.jsonl",
)

# What is not compared at all, and why.
SKIPPED = {
    "forbidden: 403": "there is one user, who may do everything: no RBAC",
}
# Recorded fields that need not be there, by their path ("*" any list element), and why.
ABSENT = {
    "metadata.managedFields": "nobody here reads who wrote which field",
    "spec.volumes": "no service account token is mounted: nothing here would use it",
    "spec.containers.*.volumeMounts": "the same",
    "groups.*": "only the groups that are served are listed",
    "resources.*": "only the resources that are served are listed",
    "rows.*.object.metadata.managedFields": "nobody here reads who wrote which field",
}
# Messages that are only compared up to a point, and why.
MESSAGE_UP_TO = {
    "spec patch that is not allowed: 422": ("\n", "the difference is shown in Go's syntax"),
    "body is not JSON: 400": (" struct", "the rest is a Go type and a goroutine's number"),
}
SKIPPED_SHAPE = {
    "Kubernetes events": "events are written as core/v1 with counts, not as events.k8s.io/v1",
    "list empty": "nothing in it",
}


def exchanges() -> list[JsonObject]:
    with (DATA / "exchanges.jsonl").open() as file:
        return [json.loads(line) for line in file]


def path_allowed_absent(path: str) -> bool:
    short = path.removeprefix("items.*.")
    return any(short == each or short.startswith(f"{each}.") for each in ABSENT)


def shape_differences(recorded: Any, ours: Any, path: str = "") -> list[str]:
    if path_allowed_absent(path):
        return []
    if isinstance(recorded, dict):
        if not isinstance(ours, dict):
            return [f"{path}: expected an object, got {ours!r}"]
        return [
            line
            for key, value in recorded.items()
            for line in (
                shape_differences(value, ours[key], f"{path}.{key}".lstrip("."))
                if key in ours
                else (
                    []
                    if path_allowed_absent(f"{path}.{key}".lstrip("."))
                    else [f"{path}.{key} is absent"]
                )
            )
        ]
    if isinstance(recorded, list):
        if not isinstance(ours, list):
            return [f"{path}: expected a list, got {ours!r}"]
        if len(recorded) != len(ours):
            allowed = path_allowed_absent(f"{path}.*")
            return [] if allowed else [f"{path}: {len(ours)} elements, not {len(recorded)}"]
        return [
            line
            for left, right in zip(recorded, ours, strict=True)
            for line in shape_differences(left, right, f"{path}.*")
        ]
    if type(recorded) is not type(ours) and recorded is not None:
        return [f"{path}: expected {recorded!r}, got {ours!r}"]
    return []


class Replay:
    """Plays requests in order and remembers what stands for what (uids, tokens, versions)."""

    def __init__(self, cluster: LocalClusterProcess) -> None:
        self._cluster = cluster
        self._names: dict[str, str] = {}
        self.versions: dict[str, list[tuple[str, str]]] = {}

    def translate(self, text: str) -> str:
        for recorded, ours in self._names.items():
            text = text.replace(recorded, ours)
        return text

    def learn(self, recorded: Any, ours: Any) -> None:
        if not (isinstance(recorded, dict) and isinstance(ours, dict)):
            return
        for key in ("metadata",):
            left, right = recorded.get(key), ours.get(key)
            if isinstance(left, dict) and isinstance(right, dict):
                for field in ("uid", "continue"):
                    if field in left and field in right:
                        self._names[left[field]] = right[field]
                generated = str(left.get("name", "")).startswith("gen-")
                if generated and "name" in right:
                    self._names[left["name"]] = right["name"]
                if recorded.get("kind") == "Pod" and "resourceVersion" in left:
                    pair = (left["resourceVersion"], right["resourceVersion"])
                    self.versions.setdefault(left["name"], []).append(pair)

    async def send(self, request: JsonObject, authorised: bool) -> tuple[int, str, Any]:
        body = request["body"]
        data = None if body is None else self.translate(json.dumps(body))
        headers = {"Accept": request["accept"]}
        if request["content_type"]:
            headers["Content-Type"] = request["content_type"]
        if not authorised:
            headers["Authorization"] = "Bearer wrong"
        url = URL(self._cluster.url + self.translate(request["path"]), encoded=True)
        async with self._cluster.session.request(
            request["method"], url, data=data, headers=headers
        ) as answer:
            text = await answer.text()
            kind = answer.headers["Content-Type"]
            return answer.status, kind, json.loads(text) if "json" in kind else text


async def settle(cluster: LocalClusterProcess, title: str) -> None:
    """Wait where the recording waited: for the scheduler, and for the node's taint to go."""
    if title == "node as kept":
        await cluster.wait_for("/api/v1/nodes/node-1", lambda node: not node["spec"].get("taints"))
    if title.startswith("pod a after"):
        await cluster.wait_for(f"{PODS}/a", lambda pod: "nodeName" in pod["spec"])
    if title.startswith("pod big"):
        await cluster.wait_for(f"{PODS}/big", lambda pod: "conditions" in pod["status"])


def status_differences(title: str, recorded: JsonObject, ours: JsonObject) -> list[str]:
    recorded, ours = dict(recorded), dict(ours)
    if title in MESSAGE_UP_TO:
        cut, _ = MESSAGE_UP_TO[title]
        for each in (recorded, ours):
            each["message"] = each["message"].partition(cut)[0]
            each.pop("details", None)
    if recorded == ours:
        return []
    return [f"expected {json.dumps(recorded)}, got {json.dumps(ours)}"]


def differences(title: str, recorded: JsonObject, answer: tuple[int, str, Any]) -> list[str]:
    """What is not alike; ``recorded`` has our uids and names in it already."""
    code, kind, ours = answer
    expected = recorded["body"]
    if code != recorded["status"]:
        return [f"status {code}, not {recorded['status']}: {ours}"]
    if kind.split(";")[0] != recorded["content_type"].split(";")[0]:
        return [f"content type {kind}, not {recorded['content_type']}"]
    if isinstance(expected, str):
        return [] if ours == expected else [f"expected {expected!r}, got {ours!r}"]
    if expected.get("kind") == "Status":
        return status_differences(title, without_version(expected), without_version(ours))
    if title == "node as kept":  # advice to kubelets on how long to keep secrets
        del expected["metadata"]["annotations"]
    if title == "patch node status":  # the node controller taints it at a pace of its own
        for each in (expected, ours):
            each["spec"].pop("taints", None)
    return [] if title in SKIPPED_SHAPE else shape_differences(expected, ours)


def without_version(status: JsonObject) -> JsonObject:
    """A Status without the stored resourceVersion in its message."""
    message = re.sub(r"in record \(\d+\)", "in record (N)", status.get("message", ""))
    return {**status, "message": message} if message else status


async def test_answers_are_alike(tmp_path: pathlib.Path) -> None:
    found: dict[str, list[str]] = {}
    async with LocalClusterProcess(tmp_path / "cluster", **OPTIONS) as cluster:
        replay = Replay(cluster)
        for each in exchanges():
            title = each["title"]
            if title in SKIPPED:
                continue
            await settle(cluster, title)
            answer = await replay.send(each["request"], title != "unauthorised: 401")
            recorded = json.loads(replay.translate(json.dumps(each["response"])))
            if lines := differences(title, recorded, answer):
                found[title] = lines
            replay.learn(each["response"]["body"], answer[2])
    assert found == {}
    for name, pairs in replay.versions.items():
        for before, after in itertools.pairwise(pairs):
            moved = (before[0] != after[0], before[1] != after[1])
            assert moved[0] == moved[1], f"{name}: recorded {before[0]} -> {after[0]}, ours {moved}"


async def test_the_same_requests_lead_to_the_same_watch_events(tmp_path: pathlib.Path) -> None:
    with (DATA / "watch_pods.jsonl").open() as file:
        lines = [json.loads(line) for line in file]
    recorded = [
        (each["type"], each["object"]["metadata"]["name"])
        for each in lines
        if each["type"] != "BOOKMARK"
    ]
    ours: list[tuple[str, str]] = []
    async with LocalClusterProcess(tmp_path / "cluster", **OPTIONS) as cluster:
        replay = Replay(cluster)
        version = (await cluster.get(PODS))["metadata"]["resourceVersion"]
        for each in exchanges():
            if each["title"] in SKIPPED:
                continue
            await settle(cluster, each["title"])
            _, _, answer = await replay.send(each["request"], True)
            replay.learn(each["response"]["body"], answer)
        await cluster.wait_for(f"{PODS}/pr", lambda pod: "nodeName" in pod["spec"])
        names = {replay.translate(name): name for _, name in recorded}
        async with asyncio.timeout(10):
            async for event in cluster.events(PODS, resourceVersion=version, timeoutSeconds="1"):
                name = event["object"]["metadata"]["name"]
                ours.append((event["type"], names.get(name, name)))
    # an eviction leaves the condition DisruptionTarget (Kubernetes 1.26 and later): one more
    ours.remove(("MODIFIED", "big"))
    assert sorted(ours) == sorted(recorded)
    for name in {name for _, name in recorded}:
        assert [kind for kind, each in ours if each == name] == [
            kind for kind, each in recorded if each == name
        ]


async def test_a_watch_from_a_forgotten_version_says_expired(tmp_path: pathlib.Path) -> None:
    recorded = json.loads((DATA / "watch_expired.jsonl").read_text())
    async with LocalClusterProcess(tmp_path / "cluster", runner=False) as cluster:
        events = [each async for each in cluster.events(PODS, resourceVersion="1")]
    [event] = events
    for each in (recorded, event):
        message = each["object"].pop("message")
        assert message.startswith("too old resource version: ")
    assert event == recorded
