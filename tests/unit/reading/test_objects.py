"""Kubernetes' JSON becomes Structs: what a real API server sent, nulls, and what is no object."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from runbus.reading.objects import (
    KubeEvent,
    Pod,
    UnreadableObjectError,
    decode_bookmark,
    decode_kube_event,
    decode_kube_event_list,
    decode_node,
    decode_node_list,
    decode_pod,
    decode_pod_list,
    decode_status,
    decode_watch_event,
    pod_from_document,
)
from support.pods import a_bound_pod, a_pod, at


def recorded(name: str) -> list[bytes]:
    folder = os.environ.get("RUNBUS_TEST_DATA")
    if not folder:
        pytest.skip("RUNBUS_TEST_DATA is not set: no recorded answers of an API server here")
    return (Path(folder) / "kube_recorded" / name).read_bytes().splitlines()


def test_every_line_of_a_recorded_watch_is_read() -> None:
    events = [decode_watch_event(line) for line in recorded("watch_pods.jsonl")]
    pods = [decode_pod(each.object) for each in events if each.type != "BOOKMARK"]
    bookmarks = [decode_bookmark(each.object) for each in events if each.type == "BOOKMARK"]
    assert {each.type for each in events} == {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"}
    assert all(each.metadata.uid and each.metadata.resource_version for each in pods)
    assert bookmarks == ["325", "325", "325"]


def test_a_recorded_graceful_deletion_shows_its_time_and_grace() -> None:
    events = [decode_watch_event(line) for line in recorded("watch_pods.jsonl")]
    pods = [decode_pod(each.object) for each in events if each.type == "MODIFIED"]
    asked = next(each for each in pods if each.metadata.deletion_grace_period_seconds == 30)
    assert asked.metadata.deletion_timestamp is not None
    assert asked.metadata.deletion_timestamp.isoformat() == "2026-11-23T17:46:20+00:00"


def test_a_recorded_expired_watch_is_a_status_with_code_410() -> None:
    [line] = recorded("watch_expired.jsonl")
    event = decode_watch_event(line)
    assert event.type == "ERROR"
    status = decode_status(event.object)
    assert (status.code, status.reason) == (410, "Expired")


def test_a_pod_is_decoded_with_the_fields_that_are_used() -> None:
    pod = (
        a_bound_pod()
        .labelled(**{"runbus.dev/run-id": "abc"})
        .with_init("proxy", sidecar=True)
        .running(container="proxy")
        .terminated(3, message="no space")
        .deleting(grace_s=5)
        .pod()
    )
    assert pod.metadata.labels == {"runbus.dev/run-id": "abc"}
    assert pod.metadata.deletion_timestamp == at("10:20:05")
    assert pod.spec.node_name == "node-1"
    assert pod.spec.init_containers[0].restart_policy == "Always"
    assert pod.status.init_container_statuses[0].state.running is not None
    end = pod.status.container_statuses[0].state.terminated
    assert end is not None
    assert (end.exit_code, end.message, end.finished_at) == (3, "no space", at("10:20:00"))


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"metadata": null, "spec": null, "status": null}',
        b'{"metadata": {"name": null, "labels": null, "creationTimestamp": null}}',
        b'{"spec": {"containers": null, "initContainers": null, "schedulingGates": null}}',
        b'{"status": {"conditions": null, "containerStatuses": null, "phase": null}}',
        b'{"status": {"conditions": [null]}}',
    ],
)
def test_null_is_the_same_as_absent(body: bytes) -> None:
    assert decode_pod(body) == Pod()


def test_null_inside_a_container_status_is_the_same_as_absent() -> None:
    pod = decode_pod(
        b'{"spec": {"containers": null}, "status": {"containerStatuses": [{"name": "main",'
        b' "state": {"waiting": {"reason": "ErrImagePull", "message": null}, "running": null},'
        b' "lastState": null}]}}'
    )
    [status] = pod.status.container_statuses
    assert status.state.waiting is not None
    assert status.state.waiting.reason == "ErrImagePull"


def test_items_of_a_list_need_no_kind_and_the_next_page_is_named() -> None:
    page = decode_pod_list(
        b'{"kind": "PodList", "metadata": {"resourceVersion": "41", "continue": "token"},'
        b' "items": [' + a_pod("a").body() + b", " + a_pod("b").body() + b"]}"
    )
    assert (page.metadata.resource_version, page.metadata.next_page) == ("41", "token")
    assert [each.metadata.name for each in page.items] == ["a", "b"]


def test_an_empty_list_may_be_null() -> None:
    assert decode_pod_list(b'{"metadata": {"resourceVersion": "41"}, "items": null}').items == ()


def test_a_bookmark_has_nothing_but_its_version() -> None:
    body = (
        b'{"kind": "Pod", "metadata": {"resourceVersion": "9", "creationTimestamp": null},'
        b' "spec": {"containers": null}, "status": {}}'
    )
    assert decode_bookmark(body) == "9"


def test_a_watch_event_of_an_unknown_type_is_passed_on() -> None:
    event = decode_watch_event(b'{"type": "NEWS", "object": {"a": 1}}')
    assert event.type == "NEWS"


def test_a_refusal_says_when_to_come_back_and_why() -> None:
    status = decode_status(
        b'{"kind": "Status", "code": 429, "reason": "TooManyRequests", "message": "wait",'
        b' "details": {"retryAfterSeconds": 3, "causes": [{"reason": "FieldValueInvalid",'
        b' "message": "bad", "field": "spec"}]}}'
    )
    assert status.details.retry_after_seconds == 3
    assert status.details.causes[0].field == "spec"


@pytest.mark.parametrize(
    ("status", "ready"), [("True", True), ("False", False), ("Unknown", False)]
)
def test_a_node_is_ready_only_while_its_kubelet_says_so(status: str, ready: bool) -> None:
    node = decode_node(
        msgspec.json.encode(
            {
                "metadata": {"name": "n", "labels": {"spot": "true"}},
                "spec": {"taints": [{"key": "k", "effect": "NoExecute"}], "unschedulable": True},
                "status": {"conditions": [{"type": "Ready", "status": status}]},
            }
        )
    )
    assert node.is_ready is ready
    assert (node.spec.taints[0].key, node.spec.unschedulable) == ("k", True)


def test_a_node_without_conditions_is_not_ready() -> None:
    [node] = decode_node_list(b'{"items": [{"metadata": {"name": "n"}}]}').items
    assert not node.is_ready


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ('"lastTimestamp": "2026-11-01T10:20:00Z", "eventTime": null', "10:20:00"),
        ('"eventTime": "2026-11-01T10:20:00.000000Z", "lastTimestamp": null', "10:20:00"),
        (
            '"eventTime": "2026-11-01T10:00:00.000000Z",'
            ' "series": {"count": 3, "lastObservedTime": "2026-11-01T10:20:00.000000Z"}',
            "10:20:00",
        ),
        ('"firstTimestamp": "2026-11-01T10:01:00Z"', "10:01:00"),
        ('"metadata": {"creationTimestamp": "2026-11-01T10:00:00Z"}', "10:00:00"),
    ],
)
def test_both_styles_of_kubernetes_events_tell_when_they_were_seen(fields: str, seen: str) -> None:
    event = decode_kube_event(f'{{"reason": "Pulling", {fields}}}'.encode())
    assert event.last_seen_at == at(seen)


def test_kubernetes_events_come_in_lists() -> None:
    page = decode_kube_event_list(
        b'{"items": [{"type": "Warning", "reason": "FailedScheduling", "count": 2,'
        b' "involvedObject": {"kind": "Pod", "name": "a", "uid": "u"}}]}'
    )
    assert page.items[0].involved_object.uid == "u"
    assert KubeEvent().last_seen_at is None


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "not JSON"),
        (b'{"metadata"', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"metadata": {"name": 1}, "spec"', "not JSON"),
        (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not JSON"),
        (b"[1]", "Expected `object`, got `array`"),
        (b'{"status": {"phase": 1}}', r"at `\$.status.phase`"),
        (b'{"metadata": {"creationTimestamp": "2026-11-01T10:00:00"}}', "timezone"),
    ],
)
def test_what_is_no_pod_is_refused_with_its_place(body: bytes, told: str) -> None:
    with pytest.raises(UnreadableObjectError, match=told):
        decode_pod(body)


def test_a_document_from_a_file_becomes_the_same_pod() -> None:
    builder = a_bound_pod().waiting("ErrImagePull")
    document = builder.document()
    document["metadata"]["creationTimestamp"] = at("10:00:00")  # as YAML without quotes gives it
    document["status"]["hostIPs"] = None
    assert pod_from_document(document) == builder.pod()


def test_a_document_that_contains_itself_is_refused() -> None:
    document: dict[str, object] = {"status": {"phase": 1}}
    document["again"] = document
    with pytest.raises(UnreadableObjectError):
        pod_from_document(document)
