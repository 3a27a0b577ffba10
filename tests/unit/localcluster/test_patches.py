"""The three patch formats."""

import copy
from typing import Any

import pytest

from runbus.localcluster.rules.errors import ApiError
from runbus.localcluster.rules.patches import json_patch, merge_patch
from runbus.localcluster.rules.strategic import strategic_merge_patch


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # the table of RFC 7386, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches_follow_the_rfc(target: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy(target)
    assert merge_patch(target, patch) == result
    assert target == before


POD = {
    "spec": {
        "containers": [{"name": "main", "image": "a", "env": [{"name": "A", "value": "1"}]}],
        "tolerations": [{"key": "a"}],
    },
    "status": {"conditions": [{"type": "Ready", "status": "False"}]},
}


@pytest.mark.parametrize(
    ("patch", "path", "result"),
    [
        (
            {"status": {"conditions": [{"type": "Ready", "status": "True"}]}},
            ("status", "conditions"),
            [{"type": "Ready", "status": "True"}],
        ),
        (
            {"status": {"conditions": [{"type": "Other", "status": "True"}]}},
            ("status", "conditions"),
            [{"type": "Other", "status": "True"}, {"type": "Ready", "status": "False"}],
        ),
        (
            {"status": {"conditions": [{"$patch": "delete", "type": "Ready"}]}},
            ("status", "conditions"),
            [],
        ),
        (
            {"spec": {"containers": [{"name": "main", "env": [{"name": "B", "value": "2"}]}]}},
            ("spec", "containers"),
            [
                {
                    "name": "main",
                    "image": "a",
                    "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
                }
            ],
        ),
        ({"spec": {"tolerations": [{"key": "b"}]}}, ("spec", "tolerations"), [{"key": "b"}]),
        ({"spec": {"tolerations": None}}, ("spec", "tolerations"), None),
        (
            {
                "spec": {
                    "$setElementOrder/containers": [{"name": "main"}],
                    "containers": [{"name": "main", "image": "b"}],
                }
            },
            ("spec", "containers"),
            [{"name": "main", "image": "b", "env": [{"name": "A", "value": "1"}]}],
        ),
    ],
)
def test_strategic_merges_know_the_lists_that_have_keys(
    patch: Any, path: tuple[str, str], result: Any
) -> None:
    before = copy.deepcopy(POD)
    assert strategic_merge_patch(POD, patch)[path[0]].get(path[1]) == result
    assert before == POD


def test_a_list_element_without_its_key_is_refused() -> None:
    with pytest.raises(ApiError, match="does not contain declared merge key: name"):
        strategic_merge_patch(POD, {"spec": {"containers": [{"image": "b"}]}})


@pytest.mark.parametrize(
    ("operations", "result"),
    [
        ([{"op": "add", "path": "/b", "value": 1}], {"a": [1, 2], "b": 1}),
        ([{"op": "add", "path": "/a/1", "value": 9}], {"a": [1, 9, 2]}),
        ([{"op": "add", "path": "/a/-", "value": 3}], {"a": [1, 2, 3]}),
        ([{"op": "remove", "path": "/a/0"}], {"a": [2]}),
        ([{"op": "replace", "path": "/a", "value": {}}], {"a": {}}),
        ([{"op": "move", "from": "/a", "path": "/c"}], {"c": [1, 2]}),
        ([{"op": "copy", "from": "/a/0", "path": "/x"}], {"a": [1, 2], "x": 1}),
        ([{"op": "test", "path": "/a/1", "value": 2}], {"a": [1, 2]}),
        ([{"op": "add", "path": "/m~1n~0o", "value": 1}], {"a": [1, 2], "m/n~o": 1}),
    ],
)
def test_json_patches_change_what_they_name(operations: Any, result: Any) -> None:
    document = {"a": [1, 2]}
    assert json_patch(document, operations) == result
    assert document == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ([{"op": "test", "path": "/a", "value": 0}], 422),
        ([{"op": "remove", "path": "/x"}], 422),
        ([{"op": "replace", "path": "/a/7", "value": 0}], 422),
        ([{"op": "add", "path": "/x/y", "value": 0}], 422),
        ([{"op": "dance", "path": "/a"}], 422),
        ([{"op": "add", "path": "a", "value": 0}], 422),
        ([{"op": "add", "path": "", "value": 1}], 422),
        ({"op": "add"}, 400),
        ([{"op": "add", "path": "/a/-", "value": 0}] * 10_001, 413),
    ],
)
def test_a_json_patch_that_cannot_be_applied_is_refused(operations: Any, code: int) -> None:
    with pytest.raises(ApiError) as refusal:
        json_patch({"a": [1, 2]}, operations)
    assert refusal.value.code == code


def test_a_patch_without_bottom_is_refused() -> None:
    deep: Any = {}
    for _ in range(100):
        deep = {"a": deep}
    with pytest.raises(ApiError):
        merge_patch({}, deep)
    with pytest.raises(ApiError):
        strategic_merge_patch({}, deep)
