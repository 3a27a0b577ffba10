"""Label and field selectors."""

from typing import Any

import pytest

from runbus.localcluster.rules.errors import ApiError
from runbus.localcluster.rules.resources import CONFIG_MAPS, EVENTS, NODES, PODS, Resource
from runbus.localcluster.rules.selectors import (
    Selector,
    parse_field_selector,
    parse_label_selector,
)


def selects(text: str, labels: dict[str, str]) -> bool:
    selector = Selector("", parse_label_selector(text))
    return selector.matches({"metadata": {"labels": labels}})


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("", {}, True),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {}, True),
        ("!a", {"a": "x"}, False),
        ("a=x", {"a": "x"}, True),
        ("a==x", {"a": "y"}, False),
        ("a=", {"a": ""}, True),
        ("a!=x", {}, True),
        ("a!=x", {"a": "x"}, False),
        ("a in (x, y)", {"a": "y"}, True),
        ("a in (x,y)", {}, False),
        ("a in (,x)", {"a": ""}, True),
        ("a notin (x)", {}, True),
        ("a notin (x)", {"a": "x"}, False),
        ("runbus.dev/shard in (0a,0b),app=z", {"runbus.dev/shard": "0b", "app": "z"}, True),
        ("runbus.dev/shard in (0a,0b),app=z", {"runbus.dev/shard": "0b"}, False),
        (" a = x , b ", {"a": "x", "b": "1"}, True),
    ],
)
def test_label_selectors_match(text: str, labels: dict[str, str], expected: bool) -> None:
    assert selects(text, labels) is expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a in", "found '' expected: '('"),
        ("a in (x", "found '', expected: ',' or ')'"),
        ("a in (", "found '', expected: ',', ')' or identifier"),
        ("a>b", "the value must be an integer"),
        ("a in (x y)", "found 'y', expected: ',' or ')'"),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("a b", "found 'b', expected: in, notin"),
        ("-a", "Invalid value"),
        ("a=-", "Invalid value"),
    ],
)
def test_a_bad_label_selector_is_refused(text: str, why: str) -> None:
    with pytest.raises(ApiError) as refusal:
        parse_label_selector(text)
    assert refusal.value.code == 400
    assert why in refusal.value.message


POD: dict[str, Any] = {
    "metadata": {"name": "a", "namespace": "n"},
    "spec": {"nodeName": "x"},
    "status": {"phase": "Running"},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metadata.name=a", True),
        ("metadata.name==b", False),
        ("status.phase!=Running", False),
        ("spec.nodeName=x,status.phase=Running", True),
        ("spec.schedulerName=", True),
        ("status.phase!=Failed,status.phase!=Succeeded", True),
    ],
)
def test_field_selectors_match(text: str, expected: bool) -> None:
    assert Selector("", (), parse_field_selector(text, PODS)).matches(POD) is expected


@pytest.mark.parametrize(
    ("text", "resource", "why"),
    [
        ("spec.color=x", PODS, "field label not supported: spec.color"),
        ("involvedObject.name=x", CONFIG_MAPS, "is not a known field selector"),
        ("spec.nodeName=x", NODES, "field label not supported: spec.nodeName"),
        ("metadata.name", PODS, "invalid selector: 'metadata.name'"),
    ],
)
def test_a_field_that_cannot_be_selected_by_is_refused(
    text: str, resource: Resource, why: str
) -> None:
    with pytest.raises(ApiError, match=why) as refusal:
        parse_field_selector(text, resource)
    assert refusal.value.code == 400


def test_events_are_selected_by_their_object_and_source() -> None:
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"name": "a"},
        "source": {"component": "kubelet"},
    }
    text = "involvedObject.name=a,source=kubelet"
    assert Selector("", (), parse_field_selector(text, EVENTS)).matches(event)


def test_a_namespace_limits_everything() -> None:
    assert not Selector("other").matches(POD)
    assert Selector("n").matches(POD)
