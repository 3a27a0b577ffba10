"""The chart's service accounts on a real API server: applied as they lie in `deploy/`, let in.

What each may do is asked of the API server's own authorizer. Knows no pytest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from runbus.contracts.transitions import Publisher
from support.chart import CLUSTER_WIDE, NAMESPACED, NAMESPACES, grants_of_services, manifests
from support.control_plane.audit import NAMESPACE
from support.control_plane.plane import POLL_S, ControlPlane, ControlPlaneError
from support.control_plane.scripted import MERGE_PATCH
from support.rbac import Ask, Grant, grants_of

LIMIT_S = 20.0
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_AUTHORIZATION = "/apis/authorization.k8s.io/v1"
_PLURALS = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Role": _RBAC + "/namespaces/{}/roles",
    "RoleBinding": _RBAC + "/namespaces/{}/rolebindings",
    "ClusterRole": _RBAC + "/clusterroles",
    "ClusterRoleBinding": _RBAC + "/clusterrolebindings",
}
# What every account has of Kubernetes itself: to ask what it may.
OF_EVERYBODY = frozenset(
    ("create", "authorization.k8s.io", resource)
    for resource in ("selfsubjectaccessreviews", "selfsubjectrulesreviews")
)


class Variant(Struct, frozen=True):
    """One file of manifests, and what it grants."""

    path: Path
    is_wide: bool

    @property
    def namespaces(self) -> tuple[str, ...]:
        """What the services are told that their namespaces are; none: all."""
        return () if self.is_wide else NAMESPACES

    @property
    def grants(self) -> dict[Publisher, list[Grant]]:
        """What each service has been granted."""
        return grants_of_services(self.path)


VARIANTS = {
    "Roles": Variant(NAMESPACED, is_wide=False),
    "ClusterRoles": Variant(CLUSTER_WIDE, is_wide=True),
}
ACCOUNTS = {each: f"runbus-{each.value}" for each in Publisher}


@contextmanager
def applied(plane: ControlPlane, path: Path) -> Iterator[None]:
    """Apply a file of manifests for the length of a block; its namespaces stay, without pods."""
    for namespace in (NAMESPACE, *NAMESPACES):
        if plane.request("GET", f"/api/v1/namespaces/{namespace}")[0] != 200:
            plane.create_namespace(namespace)
    objects = manifests(path)
    try:
        for each in objects:
            status, answer = plane.request("POST", _place(each), each)
            if status != 201:
                raise ControlPlaneError(f"{each['kind']} not taken: {answer.get('message')}")
        for each in objects:
            if each["kind"] == "ServiceAccount":
                plane.let_in(NAMESPACE, each["metadata"]["name"])
        yield
    finally:
        for each in reversed(objects):
            plane.request("DELETE", f"{_place(each)}/{each['metadata']['name']}")
        for namespace in NAMESPACES:
            plane.request("DELETE", f"/api/v1/namespaces/{namespace}/pods")


def _place(each: Mapping[str, Any]) -> str:
    return _PLURALS[each["kind"]].format(each["metadata"].get("namespace"))


def may(plane: ControlPlane, account: str, ask: Ask) -> bool:
    """Ask the authorizer as an account whether it may, as `kubectl auth can-i` does."""
    resource, _, subresource = ask.resource.partition("/")
    attributes = {
        "verb": ask.verb,
        "group": ask.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": ask.namespace,
    }
    review = {"spec": {"resourceAttributes": attributes}}
    path = f"{_AUTHORIZATION}/selfsubjectaccessreviews"
    status, answer = plane.request("POST", path, review, person=account)
    assert status == 201, answer
    return bool(answer["status"]["allowed"])


def rules(plane: ControlPlane, account: str, namespace: str) -> set[tuple[str, str, str]]:
    """Return every right that an account has in a namespace, and on what is cluster-wide."""
    review = {"spec": {"namespace": namespace}}
    path = f"{_AUTHORIZATION}/selfsubjectrulesreviews"
    status, answer = plane.request("POST", path, review, person=account)
    assert status == 201, answer
    assert not answer["status"]["incomplete"], answer
    found = (
        {key: rule[key] for key in ("apiGroups", "resources", "verbs")}
        for rule in answer["status"]["resourceRules"]
    )
    return {each.right for each in grants_of(found)} - OF_EVERYBODY


def everything(plane: ControlPlane) -> list[tuple[str, str, str, bool]]:
    """Return every verb on every resource that the API serves, and whether it is in namespaces."""
    groups = plane.request("GET", "/apis")[1]["groups"]
    found = [("", "/api/v1")]
    found += [
        (each["name"], f"/apis/{each['preferredVersion']['groupVersion']}") for each in groups
    ]
    return [
        (verb, group, each["name"], each["namespaced"])
        for group, path in found
        for each in plane.request("GET", path)[1]["resources"]
        for verb in each["verbs"]
    ]


def granted(grants: Iterable[Grant], namespace: str) -> set[tuple[str, str, str]]:
    """Return the rights that grants give in a namespace."""
    return {each.right for each in grants if each.namespace in {"", namespace}}


@contextmanager
def without(
    plane: ControlPlane, role: str, namespace: str, verb: str, resource: str
) -> Iterator[None]:
    """Take one right away from a Role for the length of a block, and wait until it is refused."""
    path = f"{_RBAC}/namespaces/{namespace}/roles/{role}"
    whole = plane.request("GET", path)[1]["rules"]
    less = [
        {**rule, "verbs": [each for each in rule["verbs"] if each != verb]}
        if rule["resources"] == [resource]
        else rule
        for rule in whole
    ]
    ask = Ask(verb, "", resource, namespace)
    try:
        _grant(plane, path, [rule for rule in less if rule["verbs"]])
        _wait(lambda: not may(plane, role, ask))
        yield
    finally:
        _grant(plane, path, whole)
        _wait(lambda: may(plane, role, ask))


def _grant(plane: ControlPlane, path: str, rules: list[dict[str, Any]]) -> None:
    status, answer = plane.request("PATCH", path, {"rules": rules}, MERGE_PATCH)
    assert status == 200, answer


def _wait(condition: Callable[[], bool]) -> None:
    """Wait for the authorizer, which follows its Roles by a watch."""
    end_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end_s, "the authorizer does not follow its Roles"
        time.sleep(POLL_S)
