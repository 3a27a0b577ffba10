"""Who owns which field, without a server; the conformance suite holds it against a real one."""

from __future__ import annotations

from typing import Any

import pytest

from runbus.localcluster.rules.errors import ApiError
from runbus.localcluster.rules.field_managers import Writer, apply, first_applied, updated
from runbus.localcluster.rules.field_sets import (
    changes,
    fields_of,
    from_tree,
    merged,
    ordered,
    shown,
    to_tree,
    without,
)

JsonObject = dict[str, Any]
POD: JsonObject = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "uid": "u", "labels": {"a": "1"}, "finalizers": ["x/f"]},
    "spec": {
        "containers": [
            {"name": "main", "image": "x", "ports": [{"containerPort": 80}], "args": ["a"]}
        ],
        "nodeSelector": {"zone": "a"},
        "tolerations": [{"key": "k"}],
    },
}


def writer(name: str, now: str = "2026-11-01T10:00:00Z") -> Writer:
    return Writer(name, "v1", now)


def a_map(**data: str) -> JsonObject:
    return {"metadata": {"name": "a"}, "data": data}


def owners(obj: JsonObject) -> dict[str, list[str]]:
    return {
        f"{each['manager']} {each['operation']}": [
            shown(path) for path in ordered(from_tree(each["fieldsV1"]))
        ]
        for each in obj["metadata"].get("managedFields") or ()
    }


def test_fields_are_told_by_keys_and_atoms_whole() -> None:
    assert [shown(path) for path in ordered(fields_of(POD))] == [
        '.metadata.finalizers[="x/f"]',
        ".metadata.labels.a",
        ".spec.nodeSelector",
        ".spec.tolerations",
        '.spec.containers[name="main"]',
        '.spec.containers[name="main"].args',
        '.spec.containers[name="main"].image',
        '.spec.containers[name="main"].name',
        '.spec.containers[name="main"].ports[containerPort=80,protocol="TCP"]',
        '.spec.containers[name="main"].ports[containerPort=80,protocol="TCP"].containerPort',
    ]
    assert from_tree(to_tree(fields_of(POD))) == fields_of(POD)


def test_changes_are_found_where_they_are() -> None:
    new = merged(
        POD,
        {
            "metadata": {"labels": {"b": "2"}},
            "spec": {"containers": [{"name": "main", "image": "y"}, {"name": "more"}]},
        },
    )
    changed, removed = changes(POD, new)
    assert {shown(path) for path in changed} == {
        ".metadata.labels.b",
        '.spec.containers[name="main"].image',
        '.spec.containers[name="more"]',
        '.spec.containers[name="more"].name',
    }
    assert not removed
    assert changes(new, POD)[1] == changed - {
        path for path in changed if shown(path).endswith(".image")
    }


def test_what_is_taken_out_takes_what_it_left_empty_along() -> None:
    gone = frozenset(path for path in fields_of(POD) if shown(path) == ".metadata.labels.a")
    left = without(POD, gone)
    assert left["metadata"] == {"name": "p", "uid": "u", "finalizers": ["x/f"]}
    assert left["spec"] is POD["spec"]


def test_a_conflict_names_the_owner_and_the_field() -> None:
    live = first_applied(a_map(x="1", y="1"), writer("one"))
    with pytest.raises(ApiError) as raised:
        apply(live, a_map(x="2"), writer("two"), force=False)
    assert raised.value.message == 'Apply failed with 1 conflict: conflict with "one": .data.x'
    forced = apply(live, a_map(x="2"), writer("two"), force=True)
    assert forced["data"] == {"x": "2", "y": "1"}
    assert owners(forced) == {"one Apply": [".data.y"], "two Apply": [".data.x"]}


def test_what_nobody_names_any_more_is_gone() -> None:
    live = first_applied(a_map(x="1", y="1"), writer("one"))
    shared = apply(live, a_map(x="1"), writer("two"), force=False)
    left = apply(shared, {"metadata": {"name": "a"}}, writer("one"), force=False)
    assert left["data"] == {"x": "1"}
    assert owners(left) == {"two Apply": [".data.x"]}


def test_other_writers_own_what_they_change() -> None:
    live = first_applied(a_map(x="1", y="1"), writer("one"))
    patched = updated(live, {**live, "data": {"x": "2", "y": "1"}}, writer("edits"))
    assert owners(patched) == {"one Apply": [".data.y"], "edits Update": [".data.x"]}
    removed = updated(patched, {**patched, "data": {"y": "1"}}, writer("other"))
    assert owners(removed) == {"one Apply": [".data.y"]}
    assert updated(a_map(x="1"), a_map(x="2"), writer("edits")) == a_map(x="2")


def test_kubectl_goes_on_from_its_other_apply_without_a_conflict() -> None:
    last = '{"kubectl.kubernetes.io/last-applied-configuration": null, "data": {"x": "1"}}'
    noted = {"kubectl.kubernetes.io/last-applied-configuration": last}
    live = {"metadata": {"name": "a", "annotations": noted}, "data": {"x": "1", "y": "1"}}
    assert apply(live, a_map(x="2"), writer("kubectl"), force=False)["data"]["x"] == "2"
    for name, config in (("other", a_map(x="2")), ("kubectl", a_map(y="2"))):
        with pytest.raises(ApiError, match="before-first-apply"):
            apply(live, config, writer(name), force=False)
