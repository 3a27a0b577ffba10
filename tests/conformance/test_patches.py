"""Patches of every format: what they lead to, and what is said of those that lead nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.objects import a_map, a_pod
from conformance.side_by_side import JSON, JSON_PATCH, MERGE, STRATEGIC, BothServers, Player

JsonObject = dict[str, Any]
OTHER = {"key": "k", "operator": "Exists"}
LABELS = "/metadata/labels"


def played(both: BothServers, content_type: str, patches: list[Any], path: str = "pods/a") -> None:
    """Patch one pod with each, on both servers."""

    async def case(player: Player) -> None:
        await player.send("POST", "pods", a_pod())
        for patch in patches:
            await player.send("PATCH", path, patch, content_type)
        await player.send("GET", "pods/a")

    both.same(case)


def test_json_patches_that_can_be_applied(both: BothServers) -> None:
    steps: list[list[JsonObject]] = [
        [{"op": "add", "path": f"{LABELS}/b", "value": "2"}],
        [{"op": "replace", "path": f"{LABELS}/a", "value": "9"}],
        [
            {"op": "test", "path": f"{LABELS}/a", "value": "9"},
            {"op": "copy", "from": f"{LABELS}/a", "path": f"{LABELS}/c"},
        ],
        [{"op": "move", "from": f"{LABELS}/c", "path": f"{LABELS}/d"}],
        [{"op": "remove", "path": f"{LABELS}/b"}],
        [{"op": "replace", "path": "/spec/containers/0/image", "value": "x:2"}],
        [{"op": "add", "path": "/spec/tolerations/-", "value": OTHER}],
        [{"op": "add", "path": "/spec/tolerations/0", "value": {**OTHER, "key": "first"}}],
        [{"op": "add", "path": "/metadata/annotations/x~1y", "value": "t"}],
        [{"op": "add", "path": "/spec/unknown", "value": "x"}],
        [{"op": "remove", "path": LABELS}],
        [],
    ]
    played(both, JSON_PATCH, steps)


def test_json_patches_that_cannot_be_applied(both: BothServers) -> None:
    steps: list[Any] = [
        [{"op": "remove", "path": f"{LABELS}/nope"}],
        [
            {"op": "test", "path": f"{LABELS}/a", "value": "8"},
            {"op": "remove", "path": f"{LABELS}/a"},
        ],
        [{"op": "test", "path": f"{LABELS}/nope", "value": "8"}],
        [{"op": "replace", "path": "/spec/containers/1/image", "value": "x:2"}],
        [{"op": "add", "path": "/spec/tolerations/99", "value": OTHER}],
        [{"op": "add", "path": "/metadata/nope/deep", "value": "t"}],
        [{"op": "nope", "path": f"{LABELS}/a", "value": "8"}],
        [{"op": "add", "path": "metadata/labels/a", "value": "8"}],
        [{"path": f"{LABELS}/a", "value": "8"}],
        [{"op": "add", "value": "8"}],
        [{"op": "add", "path": f"{LABELS}/q", "value": 5}],
        [{"op": "add", "path": "/spec/nodeName", "value": "x"}],
        [{"op": "replace", "path": "", "value": {}}],
        [{"op": "replace", "path": "/metadata/name", "value": "x"}],
        [{"op": "replace", "path": "/metadata/uid", "value": "x"}],
        [{"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}],
        {"op": "add"},
        b"{nonsense",
    ]
    played(both, JSON_PATCH, steps)


def test_merge_patches_that_can_be_applied(both: BothServers) -> None:
    steps: list[JsonObject] = [
        {"metadata": {"labels": {"b": "2"}}},
        {"metadata": {"labels": {"b": None}}},
        {"metadata": {"labels": {"b": None}}},
        {"metadata": {"labels": None}},
        {"spec": {"containers": [{"name": "main", "image": "x:3"}]}},
        {"spec": {"tolerations": []}},
        {"spec": {"activeDeadlineSeconds": 50}},
        {"spec": {"activeDeadlineSeconds": 40}},
        {"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z", "generation": 7}},
        {"metadata": {"finalizers": ["x.io/f"]}},
        {"metadata": {"finalizers": []}},
    ]
    played(both, MERGE, steps)


def test_merge_patches_that_are_refused(both: BothServers) -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "x"}
    two = [{**owner, "uid": uid, "controller": True} for uid in ("y", "z")]
    steps: list[Any] = [
        {"metadata": {"labels": {"a": 1}}},
        {"metadata": {"labels": {"a": "not valid!"}}},
        {"spec": {"nodeSelector": {"a": "b"}}},
        {"spec": {"restartPolicy": "Never"}},
        {"metadata": {"resourceVersion": "1", "labels": {"r": "1"}}},
        {"metadata": {"uid": "other", "labels": {"r": "1"}}},
        {"metadata": {"name": "other", "labels": {"r": "1"}}},
        {"metadata": {"namespace": "other"}},
        {"metadata": {"deletionTimestamp": "2020-01-01T00:00:00Z"}},
        {"metadata": {"deletionGracePeriodSeconds": 9}},
        {"kind": "Service"},
        {"apiVersion": "v2"},
        {"metadata": {"finalizers": ["nope"]}},
        {"metadata": {"ownerReferences": [owner]}},
        {"metadata": {"ownerReferences": two}},
        [],
    ]
    played(both, MERGE, steps)


def test_a_deadline_is_never_later(both: BothServers) -> None:
    times: list[int | None] = [50, 60, None, 40]
    steps = [{"spec": {"activeDeadlineSeconds": each}} for each in times]
    played(both, MERGE, steps)


def test_strategic_merges_that_can_be_applied(both: BothServers) -> None:
    main: JsonObject = {"name": "main"}
    steps: list[Any] = [
        {"metadata": {"labels": {"b": "2"}}},
        {"metadata": {"labels": {"$patch": "replace", "z": "1"}}},
        {"metadata": {"labels": {"$patch": "delete"}}},
        {"spec": {"containers": [{**main, "image": "x:3"}]}},
        {
            "spec": {
                "$setElementOrder/containers": [main],
                "containers": [{**main, "image": "x:5"}],
            }
        },
        {"spec": {"tolerations": [OTHER]}},
        {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "emptyDir"]}]}},
        {"spec": {"$unknown": 1}},
        {"metadata": {"finalizers": ["x.io/a"]}},
        {"metadata": {"finalizers": ["x.io/b"]}},
        {
            "metadata": {
                "$setElementOrder/finalizers": ["x.io/a", "x.io/c", "x.io/b"],
                "finalizers": ["x.io/c"],
            }
        },
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x.io/a"]}},
        {"metadata": {"finalizers": None}},
    ]
    played(both, STRATEGIC, steps)


def test_strategic_merges_that_are_refused(both: BothServers) -> None:
    steps: list[Any] = [
        {"metadata": {"labels": {"q": 1}}},
        {"spec": {"containers": [{"name": "other", "image": "x:3"}]}},
        {"spec": {"containers": [{"name": "main", "$patch": "delete"}]}},
        {"spec": {"containers": [{"$patch": "replace"}, {"name": "main", "image": "x:4"}]}},
        {"spec": {"containers": [{"name": "main", "env": [{"name": "C", "value": "3"}]}]}},
        {"spec": {"tolerations": None}},
        {"spec": {"volumes": [{"name": "v2", "emptyDir": {}}]}},
        {"spec": {"volumes": [{"name": "v", "$patch": "delete"}]}},
        {"metadata": {"resourceVersion": "1", "labels": {"r": "1"}}},
        [],
        "x",
        b"{nonsense",
    ]
    played(both, STRATEGIC, [{"spec": {"tolerations": [OTHER]}}, *steps])


def test_a_status_is_patched_apart(both: BothServers) -> None:
    ready = {"type": "Ready", "status": "True"}
    container = {"name": "main", "image": "x", "imageID": "", "ready": True, "restartCount": 0}
    steps: list[JsonObject] = [
        {"status": {"conditions": [ready]}},
        {"status": {"conditions": [{"type": "Other", "status": "True"}]}},
        {"status": {"conditions": [{**ready, "status": "False", "reason": "R"}]}},
        {
            "status": {
                "$setElementOrder/conditions": [{"type": "Ready"}, {"type": "Other"}],
                "conditions": [{"type": "Ready", "reason": "S"}],
            }
        },
        {"status": {"conditions": [{"type": "Ready", "$patch": "delete"}]}},
        {"status": {"podIPs": [{"ip": "1.1.1.1"}]}},
        {"status": {"phase": "Running"}, "metadata": {"labels": {"s": "1"}}},
        {"status": {"message": "m"}, "spec": {"nodeName": "n"}},
        {"status": {"containerStatuses": [{**container, "state": {"running": {}}}]}},
        {"status": {"phase": None}},
        {"status": {"conditions": "x"}},
        {"status": {"nonsense": 1}},
    ]
    played(both, STRATEGIC, steps, "pods/a/status")


def test_other_formats_and_what_is_not_there(both: BothServers) -> None:
    async def case(player: Player) -> None:
        await player.send("POST", "pods", a_pod())
        for content_type in (JSON, "text/plain", "application/nope"):
            await player.send("PATCH", "pods/a", {}, content_type)
        for content_type in (MERGE, STRATEGIC):
            await player.send("PATCH", "pods/nope", {}, content_type)
        await player.send("PATCH", "pods/nope", [], JSON_PATCH)
        await player.send("PATCH", "pods", {}, MERGE)
        await player.send("PATCH", "pods/a/binding", {}, MERGE)
        await player.send("PATCH", "/api/v1/namespaces/nope/pods/nope", {}, MERGE)

    both.same(case)


def test_a_dry_run_patches_nothing(both: BothServers) -> None:
    async def case(player: Player) -> None:
        patch = {"metadata": {"annotations": {"x": "y"}}}
        await player.send("POST", "pods", a_pod(), dryRun="Nope")
        await player.send("POST", "pods", a_pod(), dryRun="All")
        await player.send("POST", "pods", a_pod())
        await player.send("PATCH", "pods/a", patch, MERGE, dryRun="All")
        await player.send("PATCH", "pods/a", patch, MERGE, dryRun="Some")
        pod = await player.send("GET", "pods/a")
        pod["metadata"]["labels"] = {"dry": "1"}
        await player.send("PUT", "pods/a", pod, dryRun="All")
        await player.send("PUT", "pods/a", pod, dryRun="Some")
        await player.send("GET", "pods/a")

    both.same(case)


@pytest.mark.parametrize(
    ("plural", "created", "patches"),
    [
        (
            "configmaps",
            a_map(data={"x": "1"}),
            [
                {"data": {"y": "2"}},
                {"data": {"x": None}},
                {"data": {"$patch": "replace", "z": "1"}},
                {"immutable": True},
                {"immutable": False},
                {"data": {"y": "7"}},
                {"metadata": {"labels": {"still": "1"}}},
            ],
        ),
        (
            "secrets",
            {"metadata": {"name": "a"}, "stringData": {"x": "1"}},
            [{"stringData": {"y": "2"}}, {"type": "other"}, {"data": {"x": None}}],
        ),
        (
            "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
            {"metadata": {"name": "a"}, "spec": {"leaseDurationSeconds": 5}},
            [{"spec": {"holderIdentity": "y"}}, {"spec": None}],
        ),
        (
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            {"metadata": {"name": "a"}, "value": 5},
            [{"value": 6}, {"description": "d"}, {"preemptionPolicy": "Never"}],
        ),
        (
            "persistentvolumeclaims",
            {
                "metadata": {"name": "a"},
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "storageClassName": "",
                    "resources": {"requests": {"storage": "1Gi"}},
                },
            },
            [{"spec": {"accessModes": ["ReadWriteMany"]}}],
        ),
    ],
    ids=["configmap", "secret", "lease", "priorityclass", "claim"],
)
def test_what_may_change_in_each_kind(
    both: BothServers, plural: str, created: JsonObject, patches: list[JsonObject]
) -> None:
    async def case(player: Player) -> None:
        path = plural.format(player.namespace)
        await player.ask("POST", path, created)
        for patch in patches:
            await player.send("PATCH", f"{path}/a", patch, STRATEGIC)
        await player.ask("DELETE", f"{path}/a")

    both.same(case)


def test_a_whole_object_is_written(both: BothServers) -> None:
    async def case(player: Player) -> None:
        created = await player.send("POST", "pods", a_pod())
        meta = {key: value for key, value in created["metadata"].items() if key != "managedFields"}
        for change in (
            {"labels": {"z": "1"}},
            {"labels": {"z": "2"}},
            {"resourceVersion": "", "labels": {"z": "2"}},
            {"resourceVersion": "", "uid": "other"},
            {"resourceVersion": "", "name": "other"},
            {"resourceVersion": "", "namespace": "other"},
            {"resourceVersion": "", "deletionTimestamp": "2020-01-01T00:00:00Z"},
            {"resourceVersion": "", "creationTimestamp": "2020-01-01T00:00:00Z"},
        ):
            await player.send("PUT", "pods/a", {**created, "metadata": {**meta, **change}})
        await player.send("PUT", "pods/nope", {**created, "metadata": {"name": "nope"}})
        await player.send("PUT", "pods/a", {"spec": {}})
        changed = {**created["spec"], "hostNetwork": True}
        await player.send("PUT", "pods/a", {**created, "metadata": meta, "spec": changed})
        await player.send("PUT", "pods/a", b"{nope")

    both.same(case)


def test_what_cannot_be_created(both: BothServers) -> None:
    async def case(player: Player) -> None:
        for metadata in (
            {"name": "b", "namespace": "other"},
            {},
            {"name": "b", "labels": {"x": "a b"}, "annotations": {"x y": "1"}},
            {"name": "b", "finalizers": ["nope", "also nope"]},
            {"name": "b", "ownerReferences": [{}]},
            {"name": "b", "labels": {"x": 1}},
        ):
            await player.send("POST", "pods", {**a_pod(), "metadata": metadata})
        await player.send("POST", "pods", [])
        await player.send("POST", "pods", {})
        await player.send("POST", "nopes", {})
        await player.send("POST", "pods/a", {})
        await player.send("POST", "/api/v1/pods", a_pod())
        await player.send("POST", "/api/v1/namespaces/nope/pods", a_pod())

    both.same(case)
