"""Server-side apply: who owns which field, who is in whose way, and what goes with its last owner.

managedFields are compared here too, whole.
"""

from __future__ import annotations

from typing import Any

import pytest

from conformance.objects import a_map
from conformance.side_by_side import APPLY, MERGE, BothServers, Player

JsonObject = dict[str, Any]
PATH = "configmaps/a"
MAIN: JsonObject = {
    "name": "main",
    "image": "x:1",
    "ports": [{"containerPort": 80}],
    "env": [{"name": "A", "value": "1"}],
    "command": ["a"],
    "resources": {"requests": {"cpu": "1"}},
}


def a_pod(spec: JsonObject, **metadata: Any) -> JsonObject:
    meta = {"name": "p", **metadata}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


async def apply(player: Player, config: Any, manager: str, path: str = PATH, **query: str) -> None:
    await player.send("PATCH", path, config, APPLY, fieldManager=manager, **query)


def test_owners_share_conflict_and_give_up(both: BothServers) -> None:
    async def case(player: Player) -> None:
        first = a_map(data={"x": "1", "y": "1"}, labels={"l": "1"}, annotations={"q": "1"})
        await apply(player, first, "one")
        await apply(player, first, "one")
        await apply(player, a_map(data={"x": "1"}), "shares")
        await apply(player, a_map(data={"x": "2", "z": "1"}), "two")
        await apply(player, a_map(data={"x": "2", "z": "1"}), "two", force="true")
        await apply(player, a_map(data={"x": "1", "y": "2"}), "one")
        await apply(player, a_map(data={"y": "2"}), "one")
        await player.send("DELETE", PATH)

    both.same(case, with_owners=True)


def test_other_writes_own_what_they_change(both: BothServers) -> None:
    async def case(player: Player) -> None:
        await apply(player, a_map(data={"x": "1", "y": "1"}), "one")
        patch = {"data": {"y": "5", "n": "1"}}
        await player.send("PATCH", PATH, patch, MERGE, fieldManager="patches")
        await player.send("PATCH", PATH, {"metadata": {"labels": {"u": "1"}}}, MERGE)
        await apply(player, a_map(data={"y": "7", "n": "2"}), "one")
        await player.send("PUT", PATH, a_map(data={"only": "1"}), fieldManager="puts")
        await player.send("PATCH", PATH, {"metadata": {"managedFields": [{}]}}, MERGE)
        await apply(player, a_map(data={"only": "1"}), "late")
        await apply(player, a_map(data={"only": "2"}), "late")
        await apply(player, a_map(data={"only": "2"}), "late", force="true")

    both.same(case, with_owners=True)


def test_lists_with_keys_are_owned_by_their_elements(both: BothServers) -> None:
    async def case(player: Player) -> None:
        spec: JsonObject = {
            "automountServiceAccountToken": False,
            "schedulerName": "nobody",
            "containers": [MAIN],
            "tolerations": [{"key": "k", "operator": "Exists"}],
        }
        image = {"containers": [{"name": "main", "image": "x:2"}]}
        more = {"finalizers": ["x.io/f"], "labels": {"a": "1"}}
        await apply(player, a_pod(spec), "one", "pods/p")
        await apply(player, a_pod(image, **more), "two", "pods/p")
        await apply(player, a_pod(image, **more), "two", "pods/p", force="true")
        await apply(player, a_pod(spec), "one", "pods/p")
        await apply(player, a_pod({}, labels={"a": "1"}), "two", "pods/p")
        added = {"containers": [{"name": "new", "image": "x:2"}]}
        await apply(player, a_pod(added), "three", "pods/p")

    both.same(case, with_owners=True)


def test_a_status_is_applied_apart(both: BothServers) -> None:
    async def case(player: Player) -> None:
        spec = {"schedulerName": "nobody", "automountServiceAccountToken": False}
        await apply(player, a_pod({**spec, "containers": [MAIN]}), "one", "pods/p")
        ready = {"type": "Ready", "status": "True"}
        shown = {**a_pod({}), "status": {"phase": "Running", "conditions": [ready]}}
        await apply(player, shown, "kubelet", "pods/p/status")
        await apply(player, {**shown, "metadata": {"name": "q"}}, "kubelet", "pods/q/status")

    both.same(case)


def test_what_is_no_apply_is_refused(both: BothServers) -> None:
    async def case(player: Player) -> None:
        await apply(player, a_map(), "one")
        await player.send("PATCH", PATH, a_map(), APPLY)
        await apply(player, a_map(managedFields=[]), "one")
        await apply(player, a_map(resourceVersion="1", labels={"x": "1"}), "one")
        await apply(player, a_map("b"), "one")
        await apply(player, {"data": {"x": "2"}}, "one")
        await player.send("PATCH", PATH, {"data": {"q": "q"}}, MERGE, force="true")

    both.same(case, with_owners=True)


def test_a_dry_run_applies_nothing_and_yaml_is_read(both: BothServers) -> None:
    async def case(player: Player) -> None:
        text = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  yaml: 'yes'\n"
        await apply(player, text, "one", dryRun="All")
        await player.send("GET", PATH)
        await apply(player, text, "one")
        await apply(player, a_map(data={"x": "3"}), "one", dryRun="All")
        await player.send("GET", PATH)

    both.same(case, with_owners=True)


@pytest.mark.parametrize(
    "config",
    [{**a_map(), "nonsense": 1}, a_map(data={"x": 2})],
    ids=["unknown-field", "wrong-type"],
)
def test_a_document_that_does_not_fit_is_refused(both: BothServers, config: JsonObject) -> None:
    async def case(player: Player) -> None:
        await apply(player, config, "one")

    real, local = both.play(case)
    for player in (real, local):
        answer = player.transcript[0][1]
        assert answer["status"] == 500, answer
        assert answer["answer"]["message"].startswith("failed to create typed patch object: ")
