"""What the janitor does: NoExecute taints, dependents of deleted owners."""

import pathlib
from typing import Any

from support.cluster import LocalClusterProcess
from support.cluster_pods import NAMESPACE, PODS, condition, pod, python, running

SLEEPER = "import time; time.sleep(600)"
MAPS = f"{NAMESPACE}/configmaps"
MERGE = "application/merge-patch+json"


async def taint(cluster: LocalClusterProcess, *taints: dict[str, str]) -> None:
    patch = {"spec": {"taints": list(taints)}}
    code, answer = await cluster.request("PATCH", "/api/v1/nodes/local", patch, MERGE)
    assert code == 200, answer


async def owned(cluster: LocalClusterProcess, name: str, *owners: dict[str, Any]) -> dict[str, Any]:
    """A config map that belongs to others."""
    references = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": each["metadata"]["name"],
            "uid": each["metadata"]["uid"],
            "blockOwnerDeletion": True,
        }
        for each in owners
    ]
    meta = {"name": name, "ownerReferences": references}
    return await cluster.create(MAPS, {"metadata": meta})


async def test_a_no_execute_taint_evicts_who_does_not_tolerate_it(tmp_path: pathlib.Path) -> None:
    tolerant: list[dict[str, Any]] = [{"key": "k", "operator": "Exists"}]
    patient = [{**tolerant[0], "effect": "NoExecute", "tolerationSeconds": 1}]
    async with LocalClusterProcess(tmp_path / "c", node="name=other") as cluster:
        here: dict[str, Any] = {"nodeName": "local", "terminationGracePeriodSeconds": 1}
        await cluster.create(PODS, pod("leaves", python(SLEEPER), **here))
        await cluster.create(PODS, pod("patient", python(SLEEPER), tolerations=patient, **here))
        await cluster.create(PODS, pod("stays", python(SLEEPER), tolerations=tolerant, **here))
        for name in ("leaves", "patient", "stays"):
            await cluster.wait_for(f"{PODS}/{name}", running)
        await taint(cluster, {"key": "k", "value": "v", "effect": "NoExecute"})
        leaving = await cluster.wait_for(
            f"{PODS}/leaves", lambda each: "deletionTimestamp" in each["metadata"]
        )
        disrupted = condition(leaving, "DisruptionTarget")
        assert disrupted["reason"] == "DeletionByTaintManager"
        await cluster.wait_gone(f"{PODS}/leaves")
        await cluster.wait_gone(f"{PODS}/patient")
        assert running(await cluster.get(f"{PODS}/stays"))
        events = await cluster.get(f"{NAMESPACE}/events")
        assert "TaintManagerEviction" in {each["reason"] for each in events["items"]}


async def test_dependents_go_with_their_last_owner(tmp_path: pathlib.Path) -> None:
    async with LocalClusterProcess(tmp_path / "c", runner=False) as cluster:
        first, second = await owned(cluster, "first"), await owned(cluster, "second")
        both = await owned(cluster, "both", first, second)
        await owned(cluster, "child", both)
        unknown = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x", "uid": "u"}
        meta = {"name": "of-another", "ownerReferences": [unknown]}
        await cluster.create(MAPS, {"metadata": meta})
        await cluster.request("DELETE", f"{MAPS}/first")
        left = await cluster.wait_for(
            f"{MAPS}/both", lambda each: len(each["metadata"]["ownerReferences"]) == 1
        )
        assert left["metadata"]["ownerReferences"][0]["name"] == "second"
        await cluster.request("DELETE", f"{MAPS}/second")
        await cluster.wait_gone(f"{MAPS}/both")
        await cluster.wait_gone(f"{MAPS}/child")
        gone = {"apiVersion": "v1", "kind": "ConfigMap", "name": "first", "uid": "gone"}
        await cluster.create(MAPS, {"metadata": {"name": "x", "ownerReferences": [gone]}})
        await cluster.wait_gone(f"{MAPS}/x")
        assert (await cluster.request("GET", f"{MAPS}/of-another"))[0] == 200


async def test_an_owner_deleted_in_the_foreground_goes_last(tmp_path: pathlib.Path) -> None:
    async with LocalClusterProcess(tmp_path / "c", runner=False) as cluster:
        owner = await owned(cluster, "owner")
        child = await owned(cluster, "child", owner)
        held = await owned(cluster, "grandchild", child)
        held["metadata"]["finalizers"] = ["example.com/held"]
        await cluster.request("PUT", f"{MAPS}/grandchild", held)
        await cluster.request("DELETE", f"{MAPS}/owner", {"propagationPolicy": "Foreground"})
        await cluster.wait_for(
            f"{MAPS}/grandchild", lambda each: "deletionTimestamp" in each["metadata"]
        )
        marked = await cluster.get(f"{MAPS}/owner")
        assert marked["metadata"]["finalizers"] == ["foregroundDeletion"]
        patch = {"metadata": {"finalizers": None}}
        await cluster.request("PATCH", f"{MAPS}/grandchild", patch, MERGE)
        for name in ("grandchild", "child", "owner"):
            await cluster.wait_gone(f"{MAPS}/{name}")


async def test_orphans_stay_and_belong_to_nobody(tmp_path: pathlib.Path) -> None:
    async with LocalClusterProcess(tmp_path / "c", runner=False) as cluster:
        owner = await owned(cluster, "owner")
        await owned(cluster, "child", owner)
        await cluster.request("DELETE", f"{MAPS}/owner", {"propagationPolicy": "Orphan"})
        await cluster.wait_gone(f"{MAPS}/owner")
        child = await cluster.get(f"{MAPS}/child")
        assert child["metadata"].get("ownerReferences", []) == []
