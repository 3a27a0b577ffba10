"""What becomes of an object that a client sends: defaults, identity, refusals."""

import copy
from typing import Any

import pytest

from runbus.localcluster.rules.errors import ApiError
from runbus.localcluster.rules.resources import (
    CONFIG_MAPS,
    LEASES,
    PODS,
    PRIORITY_CLASSES,
    SECRETS,
    Resource,
)
from runbus.localcluster.rules.writes import prepare_create, prepare_update

NOW = "2026-01-01T00:00:00Z"


def create(resource: Resource, body: Any, namespace: str = "n") -> Any:
    return prepare_create(resource, body, namespace, "uid", NOW, "abcde")


def pod(**spec: Any) -> Any:
    containers = [{"name": "main", "image": "x"}]
    return {"metadata": {"name": "p"}, "spec": {"containers": containers, **spec}}


def stored(obj: Any) -> Any:
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": "5"}}


def test_a_new_object_gets_what_only_the_server_sets() -> None:
    body = {
        "metadata": {
            "generateName": "a-",
            "uid": "mine",
            "creationTimestamp": "then",
            "labels": {"a": "b"},
        }
    }
    before = copy.deepcopy(body)
    assert create(CONFIG_MAPS, body)["metadata"] == {
        "name": "a-abcde",
        "generateName": "a-",
        "namespace": "n",
        "uid": "uid",
        "resourceVersion": "",
        "creationTimestamp": NOW,
        "labels": {"a": "b"},
    }
    assert body == before


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("x", "Always"),
        ("x:latest", "Always"),
        ("x:1", "IfNotPresent"),
        (f"x@sha256:{'a' * 64}", "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_from_the_tag(image: str, policy: str) -> None:
    made = create(PODS, pod(containers=[{"name": "main", "image": image}]))
    assert made["spec"]["containers"][0]["imagePullPolicy"] == policy


def requests(cpu: str | None, limit: str | None) -> Any:
    block: dict[str, Any] = {}
    if cpu:
        block["requests"] = {"cpu": cpu, "memory": "1Gi"}
    if limit:
        block["limits"] = {"cpu": limit, "memory": "1Gi"}
    return [{"name": "main", "image": "x", "resources": block}]


@pytest.mark.parametrize(
    ("cpu", "limit", "expected"),
    [
        (None, None, "BestEffort"),
        ("1", None, "Burstable"),
        ("1", "2", "Burstable"),
        ("1", "1000m", "Guaranteed"),
        (None, "1", "Guaranteed"),
    ],
)
def test_the_quality_of_service_follows_from_resources(
    cpu: str | None, limit: str | None, expected: str
) -> None:
    assert create(PODS, pod(containers=requests(cpu, limit)))["status"]["qosClass"] == expected


def test_own_tolerations_for_lost_nodes_are_kept() -> None:
    mine = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
    tolerations = create(PODS, pod(tolerations=[mine]))["spec"]["tolerations"]
    assert tolerations[0] == mine
    assert [each["key"] for each in tolerations[1:]] == ["node.kubernetes.io/unreachable"]


@pytest.mark.parametrize(
    ("resource", "body", "code"),
    [
        (PODS, "x", 400),
        (PODS, [], 400),
        (PODS, {"kind": "Node"}, 400),
        (PODS, {"metadata": []}, 400),
        (PODS, {"metadata": {"name": "p", "namespace": "other"}}, 400),
        (PODS, {"metadata": {"name": "p", "resourceVersion": "1"}}, 400),
        (PODS, {}, 422),
        (PODS, {"metadata": {"name": "p"}, "spec": None}, 400),
        (CONFIG_MAPS, {"metadata": {"name": "c"}, "data": {"a b": "x"}}, 422),
        (CONFIG_MAPS, {"metadata": {"name": "c"}, "data": {"a": 1}}, 400),
        (SECRETS, {"metadata": {"name": "s"}, "data": {"a": "%%%"}}, 422),
        (PRIORITY_CLASSES, {"metadata": {"name": "p"}, "value": 2_000_000_000}, 422),
        (PRIORITY_CLASSES, {"metadata": {"name": "p"}, "value": "high"}, 400),
    ],
)
def test_what_cannot_be_created_is_refused(resource: Resource, body: Any, code: int) -> None:
    with pytest.raises(ApiError) as refusal:
        create(resource, body)
    assert refusal.value.code == code


def test_an_empty_update_is_the_stored_object_itself() -> None:
    old = stored(create(PODS, pod()))
    assert prepare_update(PODS, old, copy.deepcopy(old)) is old
    assert prepare_update(PODS, old, {**old, "status": {"phase": "Failed"}}) is old
    changed = {**old, "spec": {}, "status": old["status"]}
    assert prepare_update(PODS, old, changed, "status") is old


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({"activeDeadlineSeconds": 5}, True),
        ({"restartPolicy": "Always"}, False),
        ({"nodeSelector": {"a": "b"}}, False),
        ({"priority": 7}, False),
    ],
)
def test_a_pods_spec_is_nearly_immutable(change: Any, allowed: bool) -> None:
    old = stored(create(PODS, pod(restartPolicy="Never")))
    new = {**old, "spec": {**old["spec"], **change}}
    if allowed:
        assert prepare_update(PODS, old, new)["spec"] == new["spec"]
        return
    with pytest.raises(ApiError, match="pod updates may not change fields other than") as refusal:
        prepare_update(PODS, old, new)
    [field] = change
    assert f"spec.{field}: " in refusal.value.message


def test_tolerations_may_be_added_but_not_taken_away() -> None:
    old = stored(create(PODS, pod()))
    more = [*old["spec"]["tolerations"], {"key": "x", "operator": "Exists"}]
    added = prepare_update(PODS, old, {**old, "spec": {**old["spec"], "tolerations": more}})
    assert added["spec"]["tolerations"] == more
    with pytest.raises(ApiError, match=r"spec\.tolerations: Forbidden"):
        prepare_update(PODS, added, {**added, "spec": {**old["spec"], "tolerations": []}})
    # those that every pod has come back
    assert prepare_update(PODS, old, {**old, "spec": {**old["spec"], "tolerations": []}}) is old


def test_a_lease_is_updated_with_its_version_only() -> None:
    old = stored(create(LEASES, {"metadata": {"name": "l"}}))
    new = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "a"}}
    with pytest.raises(ApiError, match="must be specified for an update"):
        prepare_update(LEASES, old, new)
    new["metadata"] = {"name": "l", "resourceVersion": "5"}
    assert prepare_update(LEASES, old, new)["spec"] == {"holderIdentity": "a"}
