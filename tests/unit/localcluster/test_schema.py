"""What is known of the kinds' fields: unknown ones, OpenAPI documents, protobuf."""

from typing import Any

import pytest

from runbus.localcluster.rules.resources import GROUP_VERSIONS
from runbus.localcluster.schema import export
from runbus.localcluster.schema.openapi import document, index
from runbus.localcluster.schema.protobuf import ProtobufError, decode
from runbus.localcluster.schema.strict import without_unknown
from runbus.localcluster.schema.types import load_types

TYPES = load_types()
META = {"name": "x", "labels": {"any": "thing"}}


def test_the_committed_types_are_those_of_the_client_library() -> None:
    assert export.PATH.read_text() == export.text(), (
        "run python -m runbus.localcluster.schema.export"
    )


@pytest.mark.parametrize(
    ("obj", "unknown"),
    [
        ({"metadata": META, "spec": {"nodeSelector": {"a": "b"}}}, []),
        ({"metadata": META, "specs": {}}, ["specs"]),
        (
            {"spec": {"containers": [{"name": "a"}, {"comand": [], "env": [{"nam": "x"}]}]}},
            ["spec.containers[1].comand", "spec.containers[1].env[0].nam"],
        ),
        ({"metadata": {"annotation": {}}}, ["metadata.annotation"]),
        ({"spec": {"containers": "not a list", "affinity": None}}, []),
    ],
)
def test_unknown_fields_are_named_with_their_place(obj: dict[str, Any], unknown: list[str]) -> None:
    assert without_unknown(TYPES, "Pod", obj)[1] == unknown


def test_unknown_fields_are_left_out_and_nothing_else_is_touched() -> None:
    obj = {"metadata": META, "spec": {"containers": [{"name": "a", "x": 1}], "nope": 1}}
    kept, _ = without_unknown(TYPES, "Pod", obj)
    assert kept == {"metadata": META, "spec": {"containers": [{"name": "a"}]}}
    assert obj["spec"]["nope"] == 1  # type: ignore[index]
    assert without_unknown(TYPES, "Pod", kept)[0] is kept
    assert without_unknown(TYPES, "NoSuchKind", obj) == (obj, [])


def test_each_group_version_has_a_document_that_offers_field_validation() -> None:
    assert len(index()["paths"]) == len(GROUP_VERSIONS)
    for where in index()["paths"].values():
        shown = document(TYPES, where["serverRelativeURL"])
        assert shown is not None
        for path, operations in shown["paths"].items():
            if path.endswith("{name}"):
                names = [each["name"] for each in operations["patch"]["parameters"]]
                assert "fieldValidation" in names
    assert document(TYPES, "/openapi/v3/apis/nope/v1") is None


def test_every_reference_in_a_document_leads_somewhere() -> None:
    shown = document(TYPES, "/openapi/v3/api/v1")
    assert shown is not None
    schemas = shown["components"]["schemas"]
    waiting: list[Any] = [shown]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            waiting += here.values()
            if "$ref" in here:
                assert here["$ref"].removeprefix("#/components/schemas/") in schemas
        elif isinstance(here, list):
            waiting += here


def test_lists_that_merge_say_by_which_key() -> None:
    shown = document(TYPES, "/openapi/v3/api/v1")
    assert shown is not None
    schemas = shown["components"]["schemas"]

    def key(name: str, field: str) -> Any:
        found = schemas[f"io.k8s.{name}"]["properties"][field]
        return found.get("x-kubernetes-patch-merge-key")

    assert key("PodSpec", "containers") == "name"
    assert key("Container", "ports") == "containerPort"
    assert key("ObjectMeta", "ownerReferences") == "uid"
    assert key("PodSpec", "tolerations") is None
    finalizers = schemas["io.k8s.ObjectMeta"]["properties"]["finalizers"]
    assert finalizers["x-kubernetes-patch-strategy"] == "merge"


def sized(number: int, content: bytes | str) -> bytes:
    """One field with a length."""
    raw = content.encode() if isinstance(content, str) else content
    return bytes([number << 3 | 2, len(raw)]) + raw


def number(field: int, value: int) -> bytes:
    """One field with a small number."""
    return bytes([field << 3, value])


def envelope(kind: str, version: str, content: bytes) -> bytes:
    """As client-go sends it."""
    return b"k8s\x00" + sized(1, sized(1, version) + sized(2, kind)) + sized(2, content)


def test_protobuf_is_read_as_json_would_be() -> None:
    no_time = sized(8, b"")  # Go writes what JSON leaves out
    meta = sized(1, "s") + sized(2, "") + no_time + sized(11, sized(1, "l") + sized(2, "v"))
    secret = sized(1, meta) + sized(2, sized(1, "k") + sized(2, b"\x00\xff")) + sized(3, "Opaque")
    assert decode(envelope("Secret", "v1", secret), TYPES) == {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {"name": "s", "labels": {"l": "v"}},
        "data": {"k": "AP8="},
        "type": "Opaque",
    }


def test_numbers_times_quantities_and_lists_are_read() -> None:
    quota = sized(2, sized(1, sized(1, "cpu") + sized(2, sized(1, "2"))) + sized(2, "A"))
    read = decode(envelope("ResourceQuota", "v1", quota), TYPES)
    assert read["spec"] == {"hard": {"cpu": "2"}, "scopes": ["A"]}
    options = sized(2, number(1, 0) + sized(2, sized(1, "uid")) + sized(5, "All"))
    evicted = sized(1, sized(1, "p") + sized(8, number(1, 60))) + options
    read = decode(envelope("Eviction", "policy/v1", evicted), TYPES)
    assert read["metadata"] == {"name": "p", "creationTimestamp": "1970-01-01T00:01:00Z"}
    assert read["deleteOptions"] == {
        "gracePeriodSeconds": 0,
        "preconditions": {"uid": "uid"},
        "dryRun": ["All"],
    }
    minus = bytes([2 << 3]) + b"\xff" * 9 + b"\x01"
    assert decode(envelope("PriorityClass", "v1", minus), TYPES)["value"] == -1


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"{}", "no protobuf envelope"),
        (envelope("Pod", "v1", b""), "Pod is not read from protobuf: send JSON"),
        (envelope("Secret", "v1", b"\x0a\x50"), "cut off"),
        (envelope("Secret", "v1", sized(3, b"\xff")), "not UTF-8"),
        (envelope("Secret", "v1", number(3, 1)), "a number where text"),
        (envelope("Secret", "v1", b"\x0b"), "unknown wire type 3"),
        (b"k8s\x00\xff", "cut off"),
    ],
)
def test_what_is_no_such_protobuf_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(ProtobufError, match=said):
        decode(raw, TYPES)
