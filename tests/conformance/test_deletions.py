"""Deletions: preconditions, grace, finalizers, and what becomes of what belonged to the deleted.

The real side has kube-controller-manager's garbage collector, the local one its janitor.
"""

from __future__ import annotations

from typing import Any

import pytest

from conformance.objects import a_map, a_pod, owned_by
from conformance.side_by_side import JSON_PATCH, MERGE, BothServers, Player

JsonObject = dict[str, Any]
HELD = ["x.io/hold"]
LET_GO: JsonObject = {"metadata": {"finalizers": None}}
BLOCKING = {"blockOwnerDeletion": True, "controller": True}


async def make(player: Player, name: str, **metadata: Any) -> JsonObject:
    return await player.send("POST", "configmaps", a_map(name, **metadata))


def is_going(_status: int, answer: JsonObject) -> bool:
    return "deletionTimestamp" in answer["metadata"]


def test_in_the_background_dependents_go_later(both: BothServers) -> None:
    async def case(player: Player) -> None:
        owner = await make(player, "owner")
        child = await make(player, "child", **owned_by(owner))
        await make(player, "grandchild", **owned_by(child))
        await player.send("DELETE", "configmaps/owner", {"propagationPolicy": "Background"})
        for name in ("owner", "child", "grandchild"):
            await player.gone(f"configmaps/{name}")

    both.same(case)


def test_in_the_foreground_an_owner_waits_for_those_that_block_it(both: BothServers) -> None:
    async def case(player: Player) -> None:
        owner = await make(player, "owner")
        await make(player, "blocks", **owned_by(owner, **BLOCKING), finalizers=HELD)
        await make(player, "lets", **owned_by(owner), finalizers=HELD)
        await player.send("DELETE", "configmaps/owner", {"propagationPolicy": "Foreground"})
        for name in ("blocks", "lets"):
            await player.until(f"configmaps/{name}", is_going)
        await player.send("GET", "configmaps/owner")
        more = {"metadata": {"finalizers": ["foregroundDeletion", "x.io/new"]}}
        await player.send("PATCH", "configmaps/owner", more, MERGE)
        await player.send("PATCH", "configmaps/blocks", LET_GO, MERGE)
        await player.gone("configmaps/blocks")
        await player.gone("configmaps/owner")
        await player.send("GET", "configmaps/lets")
        await player.send("PATCH", "configmaps/lets", LET_GO, MERGE)
        await player.gone("configmaps/lets")

    both.same(case)


def test_a_pod_in_the_foreground_is_not_forced_past_its_dependents(both: BothServers) -> None:
    async def case(player: Player) -> None:
        owner = await player.send("POST", "pods", a_pod("a"))
        child = a_pod("b")
        child["metadata"] |= {**owned_by(owner, **BLOCKING), "finalizers": HELD}
        await player.send("POST", "pods", child)
        await player.send("DELETE", "pods/a", {"propagationPolicy": "Foreground"})
        await player.until("pods/b", is_going)
        await player.send("GET", "pods/a")
        await player.send("DELETE", "pods/a", {"gracePeriodSeconds": 0})
        await player.send("GET", "pods/a")
        patch = [{"op": "remove", "path": "/metadata/finalizers"}]
        await player.send("PATCH", "pods/b", patch, JSON_PATCH)
        await player.gone("pods/b")
        await player.gone("pods/a")

    both.same(case)


@pytest.mark.parametrize("options", [{"propagationPolicy": "Orphan"}, {"orphanDependents": True}])
def test_orphans_live_on(both: BothServers, options: JsonObject) -> None:
    async def case(player: Player) -> None:
        owner = await make(player, "owner")
        await make(player, "child", **owned_by(owner, **BLOCKING))
        await player.send("DELETE", "configmaps/owner", options)
        await player.gone("configmaps/owner")
        await player.send("GET", "configmaps/child")

    both.same(case)


def test_who_belongs_to_nobody_that_is_there_is_collected(both: BothServers) -> None:
    async def case(player: Player) -> None:
        uid = "11111111-1111-1111-1111-111111111111"
        there = await make(player, "there")
        for name in ("nope", "there"):  # no such owner, and another of its name
            owner = {**there, "metadata": {"name": name, "uid": uid}}
            await make(player, "stray", **owned_by(owner))
            await player.gone("configmaps/stray")
        other = await make(player, "other")
        both_own = owned_by(there)["ownerReferences"] + owned_by(other)["ownerReferences"]
        await make(player, "child", ownerReferences=both_own)
        await player.send("DELETE", "configmaps/there")
        await player.until(
            "configmaps/child", lambda _, shown: len(shown["metadata"]["ownerReferences"]) == 1
        )
        await player.send("DELETE", "configmaps/other")
        await player.gone("configmaps/child")

    both.same(case)


def test_finalizers_hold_what_is_deleted(both: BothServers) -> None:
    async def case(player: Player) -> None:
        path = "configmaps/a"
        await make(player, "a", finalizers=["x.io/f", "x.io/g"])
        await player.send("DELETE", path)
        await player.send("DELETE", path)
        await make(player, "a")
        changes: list[JsonObject] = [
            {"labels": {"still": "writable"}},
            {"finalizers": ["x.io/f"]},
            {"finalizers": ["x.io/f", "x.io/h"]},
            {"deletionTimestamp": None},
            {"finalizers": []},
        ]
        for metadata in changes:
            await player.send("PATCH", path, {"metadata": metadata}, MERGE)
        await player.send("GET", path)

    both.same(case)


def test_finalizers_hold_pods(both: BothServers) -> None:
    async def case(player: Player) -> None:
        pod = a_pod("p")
        pod["metadata"]["finalizers"] = HELD
        await player.send("POST", "pods", pod)
        await player.send("DELETE", "pods/p")
        await player.send("GET", "pods/p")
        await player.send("PATCH", "pods/p/status", {"status": {"message": "m"}}, MERGE)
        await player.send("PATCH", "pods/p", LET_GO, MERGE)
        await player.send("GET", "pods/p")

    both.same(case)


def test_options_are_held_against_the_object_and_each_other(both: BothServers) -> None:
    async def case(player: Player) -> None:
        path = "configmaps/a"
        made = await make(player, "a")
        uid, version = (made["metadata"][key] for key in ("uid", "resourceVersion"))
        for options in (
            {"preconditions": {"uid": "other"}},
            {"preconditions": {"resourceVersion": "1"}},
            {"preconditions": {"uid": "other", "resourceVersion": "1"}},
            {"preconditions": {"uid": uid}, "dryRun": ["All"]},
            {"dryRun": ["Some"]},
            {"propagationPolicy": "Never"},
            {"propagationPolicy": "Orphan", "orphanDependents": False},
        ):
            await player.send("DELETE", path, options)
        await player.send("DELETE", path, dryRun="All")
        await player.send("DELETE", path, propagationPolicy="Never")
        fence = {"uid": uid, "resourceVersion": version}
        # where there is a body, the query is not read
        await player.send("DELETE", path, {"preconditions": fence}, dryRun="All")
        await player.send("DELETE", path)

    both.same(case)


async def bound(player: Player, name: str, **spec: Any) -> None:
    """Create a pod on a node that is not there: nobody ends it.

    Controllers delete the pods of such a node once it has been away for 40 s, so that no other case
    may have named it.
    """
    await player.send("POST", "pods", a_pod(name, **spec))
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name},
        "target": {"kind": "Node", "name": f"not-there-{player.namespace}"},
    }
    await player.send("POST", f"pods/{name}/binding", binding)


def test_a_grace_gets_shorter_and_never_longer(both: BothServers) -> None:
    async def case(player: Player) -> None:
        path = "pods/a"
        await bound(player, "a", terminationGracePeriodSeconds=60)
        await player.send("DELETE", path, dryRun="All")
        for grace_s in (50, 55, None, 20, 0):
            options = None if grace_s is None else {"gracePeriodSeconds": grace_s}
            await player.send("DELETE", path, options)
            await player.send("GET", path)
            label = {"metadata": {"labels": {"after": str(grace_s)}}}
            await player.send("PATCH", path, label, MERGE)

    both.same(case)


def test_no_grace_is_none(both: BothServers) -> None:
    async def case(player: Player) -> None:
        await bound(player, "asks-for-none", terminationGracePeriodSeconds=0)
        await bound(player, "is-given-none")
        await bound(player, "has-ended")
        ended = {"status": {"phase": "Succeeded"}}
        await player.send("PATCH", "pods/has-ended/status", ended, MERGE)
        await player.send("DELETE", "pods/asks-for-none")
        await player.send("DELETE", "pods/is-given-none", gracePeriodSeconds="0")
        await player.send("DELETE", "pods/has-ended", {"gracePeriodSeconds": 9})
        await player.send("GET", "pods")

    both.same(case)


def test_what_is_selected_is_deleted_together(both: BothServers) -> None:
    async def case(player: Player) -> None:
        for name in ("a1", "a2", "b1"):
            await make(player, name, labels={"x": name[0]})
        await make(player, "a3", labels={"x": "a"}, finalizers=HELD)
        await player.send("DELETE", "configmaps", labelSelector="x=a", dryRun="All")
        await player.send("GET", "configmaps", labelSelector="x in (a,b)")
        await player.send("DELETE", "configmaps", labelSelector="x=a")
        await player.send("GET", "configmaps", labelSelector="x in (a,b)")
        await player.send("PATCH", "configmaps/a3", LET_GO, MERGE)
        await player.send("DELETE", "configmaps", fieldSelector="metadata.name=b1")
        await player.send("DELETE", "configmaps", labelSelector="x=nothing")
        await player.send("DELETE", "configmaps", labelSelector="x in (")
        await player.send("POST", "pods", a_pod("a"))
        await player.send("POST", "pods", a_pod("b"))
        fields = "metadata.name=a"
        options = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
        await player.send("DELETE", "pods", options, labelSelector="a=1", fieldSelector=fields)
        await player.send("DELETE", "pods", fieldSelector="status.phase=Pending")
        await player.send("GET", "pods")
        for path in ("/api/v1/namespaces", "/api/v1/configmaps", "/api/v1/pods"):
            await player.send("DELETE", path)

    both.same(case)
