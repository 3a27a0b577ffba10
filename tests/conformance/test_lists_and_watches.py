"""Lists and watches: from where, of what, in which pages, and what is said of impossible wishes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from conformance.cluster_worlds import ClusterWorld, Run, ask
from conformance.objects import a_map, a_pod
from conformance.side_by_side import MERGE, BothServers, Player, normalised
from support.control_plane.recording import NAMESPACE, record_expired, record_selection

JsonObject = dict[str, Any]
RECORDED = Path(__file__).parents[1] / "unit" / "reading" / "recorded"
FUTURE = "99999999999999999"
OURS = "metadata.name!=kube-root-ca.crt"  # which Kubernetes puts into each namespace
BINDING: JsonObject = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "a"}}


async def make(player: Player, name: str, **labels: str) -> JsonObject:
    return await player.send("POST", "configmaps", a_map(name, labels={"x": name, **labels}))


async def now(player: Player, plural: str) -> str:
    """Give the version from which a watch sees what comes now."""
    _, listed = await player.ask("GET", plural, limit="1")
    return str(listed["metadata"]["resourceVersion"])


def named(name: str) -> Callable[[JsonObject], bool]:
    return lambda event: event["object"]["metadata"].get("name") == name


def gone(event: JsonObject) -> bool:
    return bool(event["type"] == "DELETED")


def test_a_watch_begins_where_it_is_told(both: BothServers) -> None:
    async def case(player: Player) -> None:
        first = await make(player, "a")
        await make(player, "b")
        at = first["metadata"]["resourceVersion"]
        await player.watch("configmaps", named("b"), labelSelector="x=b")
        only = {"fieldSelector": "metadata.name=b"}
        await player.watch("configmaps", named("b"), resourceVersion="0", **only)
        await player.watch("configmaps", named("b"), resourceVersion=at)
        await player.watch(
            "configmaps", resourceVersion=at, timeoutSeconds="1", labelSelector="x=a"
        )
        await player.watch("configmaps", resourceVersion=FUTURE, timeoutSeconds="1")
        await player.watch("configmaps/a", timeoutSeconds="1")

    both.same(case)


@pytest.mark.parametrize(
    "query",
    [
        {"timeoutSeconds": "x"},
        {"labelSelector": "x in ("},
        {"fieldSelector": "nope=x"},
        {"resourceVersionMatch": "Exact"},
        {"resourceVersionMatch": "Exact", "resourceVersion": "1"},
    ],
    ids=str,
)
def test_a_watch_that_cannot_be_is_refused(both: BothServers, query: dict[str, str]) -> None:
    async def case(player: Player) -> None:
        await player.watch("configmaps", **query)

    both.same(case)


def test_what_is_no_number_and_no_boolean(both: BothServers) -> None:
    async def case(player: Player) -> None:
        await make(player, "a")
        ours = {"labelSelector": "x=a"}
        await player.watch("configmaps", named("a"), allowWatchBookmarks="maybe", **ours)
        await player.watch("configmaps", named("a"), limit="1", **ours)
        for value in ("0", "false", "False"):
            await player.send("GET", "configmaps", watch=value, labelSelector="x=a")

    both.same(case)


def test_objects_come_and_go_with_their_labels(both: BothServers) -> None:
    async def case(player: Player) -> None:
        at = await now(player, "configmaps")
        await make(player, "a", w="1")
        for change in (
            {"data": {"k": "2"}},
            {"data": {"k": "3"}, "metadata": {"labels": {"w": "2"}}},
            {"data": {"k": "4"}},
            {"metadata": {"labels": {"w": "1"}}},
            {"metadata": {"labels": {"w": None}}},
        ):
            await player.send("PATCH", "configmaps/a", change, MERGE)
        await player.send("DELETE", "configmaps/a")
        await make(player, "end", w="1")
        for selector in ("w=1", "w", "w notin (2)", "w!=1,x=a"):
            stop = gone if selector == "w!=1,x=a" else named("end")
            query = {"resourceVersion": at, "fieldSelector": OURS}
            await player.watch("configmaps", stop, labelSelector=selector, **query)

    both.same(case)


def test_pods_come_and_go_with_their_fields(both: BothServers) -> None:
    async def case(player: Player) -> None:
        at = await now(player, "pods")
        await player.send("POST", "pods", a_pod())
        node = f"not-there-{player.namespace}"  # see `bound` of the deletions
        binding = {**BINDING, "target": {"kind": "Node", "name": node}}
        await player.send("POST", "pods/a/binding", binding)
        for phase in ("Running", "Succeeded"):
            status = {"status": {"phase": phase}}
            await player.send("PATCH", "pods/a/status", status, MERGE)
        await player.send("DELETE", "pods/a")
        for selector in ("status.phase=Running", f"spec.nodeName={node}", "spec.nodeName="):
            await player.watch("pods", gone, resourceVersion=at, fieldSelector=selector)

    both.same(case)


def test_the_last_events_of_an_object(both: BothServers) -> None:
    async def case(player: Player) -> None:
        at = await now(player, "configmaps")
        await player.send("POST", "configmaps", a_map(finalizers=["x.io/f"]))
        await player.send("DELETE", "configmaps/a")
        nothing: JsonObject = {"metadata": {"finalizers": []}}
        await player.send("PATCH", "configmaps/a", nothing, MERGE)
        await player.watch("configmaps", gone, resourceVersion=at)
        at = await now(player, "pods")
        await player.send("POST", "pods", a_pod())
        await player.send("DELETE", "pods/a")
        await player.watch("pods", gone, resourceVersion=at)

    both.same(case)


def test_pages_show_one_moment(both: BothServers) -> None:
    async def case(player: Player) -> None:
        for number in range(5):
            await make(player, f"a{number}", pg="1")
        ours = {"labelSelector": "pg=1"}
        first = await player.send("GET", "configmaps", limit="2", **ours)
        at, token = first["metadata"]["resourceVersion"], first["metadata"]["continue"]
        await player.send("DELETE", "configmaps/a2")
        go_on = {"continue": token, **ours}
        await player.send("GET", "configmaps", limit="2", **go_on)
        await player.send("GET", "configmaps", **go_on)
        await player.send("GET", "configmaps", resourceVersion=at, **go_on)
        await player.send("GET", "configmaps", resourceVersionMatch="Exact", **go_on)
        for match in ("Exact", "Nonsense"):
            asked = {"resourceVersion": at, "resourceVersionMatch": match}
            await player.send("GET", "configmaps", **asked, **ours)
            await player.send("GET", "configmaps", resourceVersionMatch=match, **ours)
        await player.send("GET", "configmaps", limit="3", resourceVersion=at, **ours)
        oldest = {"resourceVersion": "0", "resourceVersionMatch": "Exact"}
        await player.send("GET", "configmaps", **oldest)
        for limit in ("-1", "x", "0", "9"):
            await player.send("GET", "configmaps", limit=limit, **ours)

    both.same(case)


def test_a_future_version_is_refused(both: BothServers) -> None:
    async def case(player: Player) -> None:
        await make(player, "a")
        await player.send("GET", "configmaps", resourceVersion=FUTURE)
        await player.send("GET", "configmaps/a", resourceVersion=FUTURE)

    both.same(case)


def test_selectors_of_labels(both: BothServers) -> None:
    async def case(player: Player) -> None:
        for name, size in (("a", "1"), ("b", "2"), ("c", "x")):
            await make(player, name, size=size)
        for selector in (
            "size in (1,2),x!=b,!no,x notin (z)",
            "size==1,no=1",
            "size>1",
            "size<2,size",
            "!size,x",
            "size in",
            "=",
            "a=b=c",
            "a b",
            "!",
            "a in (b",
            "a,",
            "size>x",
            "-x=1",
            "x=-1",
            "x in (a b)",
        ):
            await player.send("GET", "configmaps", labelSelector=selector, fieldSelector=OURS)

    both.same(case)


def test_selectors_of_fields(both: BothServers) -> None:
    async def case(player: Player) -> None:
        await make(player, "a")
        await player.send("POST", "pods", a_pod())
        for selector in (
            f"metadata.name=a,metadata.namespace={player.namespace}",
            "metadata.name==a",
            f"{OURS},metadata.name!=a",
            "metadata.name",
            "spec.x=1",
        ):
            await player.send("GET", "configmaps", fieldSelector=selector)
        for selector in (
            "spec.nodeName=",
            "status.phase=Pending,spec.restartPolicy=Always",
            "status.phase!=Pending",
            "spec.schedulerName=nobody",
            "nope=1",
        ):
            await player.send("GET", "pods", fieldSelector=selector)
        about = "involvedObject.name=x,type=Normal,reason=y"
        await player.send("GET", "events", fieldSelector=about)
        await player.send("GET", "secrets", fieldSelector="type=Opaque")

    both.same(case)


def golden(name: str) -> list[JsonObject]:
    raw = (RECORDED / f"{name}-1.20.jsonl").read_bytes()
    return [msgspec.json.decode(line) for line in raw.splitlines()]


def told(events: list[JsonObject], namespace: str) -> list[JsonObject]:
    """Events made alike, without bookmarks: each server sends those when it likes."""
    shown = [each for each in events if each["type"] != "BOOKMARK"]
    text = msgspec.json.encode(shown).replace(namespace.encode(), b"<namespace>")
    found: list[JsonObject] = normalised([("", msgspec.json.decode(text))], False)[0][1]
    return found


def test_a_recorded_selection_is_what_every_server_shows(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        if not world.serves_kubelets:
            return
        recorded = golden("selection")
        seen = await record_selection(world.kube, world.pods)
        assert told(seen, world.namespace) == told(recorded, NAMESPACE)
        bookmarks = [
            {**each["object"], "metadata": {**each["object"]["metadata"], "resourceVersion": ""}}
            for each in [*seen, *recorded]
            if each["type"] == "BOOKMARK"
        ]
        assert all(each == bookmarks[0] for each in bookmarks)

    on_cluster(case)


def test_a_recorded_expiry_is_what_every_server_says(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        listed = await ask(world.kube, "GET", world.pods)
        await ask(world.kube, "POST", world.pods, a_pod())
        await world.forget_history()
        version = listed["metadata"]["resourceVersion"]
        seen = await record_expired(world.kube, world.pods, version)
        assert told(seen, world.namespace) == told(golden("expired"), NAMESPACE)

    on_cluster(case)
