"""What the chart's accounts may not: asked of a real API server's authorizer, and tried.

Both variants of `deploy/rendered`, as they are.
"""

from __future__ import annotations

import pytest

from runbus.contracts.transitions import Publisher
from support.chart import NAMESPACES
from support.control_plane import accounts
from support.control_plane.accounts import ACCOUNTS, Variant
from support.control_plane.plane import JSON_TYPE, ControlPlane
from support.control_plane.scripted import MERGE_PATCH
from support.rbac import Ask, is_allowed
from support.system import PROJECT

pytestmark = pytest.mark.system

ELSEWHERE = "kube-system"
PODS = "/api/v1/namespaces/{}/pods"


@pytest.mark.parametrize("publisher", list(Publisher))
def test_kubernetes_knows_of_no_other_right(
    variant: Variant, control_plane: ControlPlane, publisher: Publisher
) -> None:
    for namespace in (*NAMESPACES, ELSEWHERE, "default", "runbus"):
        found = accounts.rules(control_plane, ACCOUNTS[publisher], namespace)
        assert found == accounts.granted(variant.grants[publisher], namespace)


@pytest.mark.parametrize("publisher", list(Publisher))
def test_what_a_service_does_not_need_it_may_not(
    variant: Variant, control_plane: ControlPlane, publisher: Publisher
) -> None:
    grants = variant.grants[publisher]
    for verb, group, resource, is_namespaced in accounts.everything(control_plane):
        for namespace in (PROJECT, ELSEWHERE) if is_namespaced else ("",):
            ask = Ask(verb, group, resource, namespace)
            if ask.right in accounts.OF_EVERYBODY:
                continue
            allowed = accounts.may(control_plane, ACCOUNTS[publisher], ask)
            assert allowed == is_allowed(ask, grants), ask


POD = {"metadata": {"name": "mine"}, "spec": {"containers": [{"name": "main", "image": "x:1"}]}}
REFUSED: list[tuple[Publisher, str, str, object]] = [
    (Publisher.STATE_WATCHER, "DELETE", f"{PODS}/any", None),
    (Publisher.STATE_WATCHER, "DELETE", PODS, None),
    (Publisher.STATE_WATCHER, "POST", PODS, POD),
    (Publisher.STATE_WATCHER, "PATCH", f"{PODS}/any", {}),
    (Publisher.STATE_WATCHER, "GET", f"{PODS}/any/log", None),
    (Publisher.POD_LAUNCHER, "DELETE", f"{PODS}/any", None),
    (Publisher.POD_LAUNCHER, "GET", f"{PODS}/any", None),
    (Publisher.POD_LAUNCHER, "POST", f"{PODS}/any/exec?command=sh", None),
    (Publisher.ABORTER, "POST", PODS, POD),
    (Publisher.ABORTER, "DELETE", PODS, None),
    (Publisher.ABORTER, "PATCH", f"{PODS}/any/status", {}),
    (Publisher.ABORTER, "GET", "/api/v1/nodes", None),
    (Publisher.SPEC_VALIDATOR, "GET", PODS, None),
    (Publisher.SCHEDULER, "GET", PODS, None),
    *(
        (publisher, method, path, body)
        for publisher in Publisher
        for method, path, body in (
            ("GET", "/api/v1/namespaces/{}/secrets", None),
            ("GET", "/api/v1/namespaces/{}/secrets/any", None),
            ("GET", "/api/v1/namespaces/{}/configmaps", None),
            ("POST", "/api/v1/namespaces/{}/serviceaccounts/default/token", {"spec": {}}),
            ("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles", {}),
            ("POST", "/apis/batch/v1/namespaces/{}/jobs", {}),
            ("DELETE", "/api/v1/nodes/worker", None),
        )
    ),
]


@pytest.mark.parametrize(
    ("publisher", "method", "path", "body"),
    REFUSED,
    ids=[f"{each.value} {method} {path}" for each, method, path, _ in REFUSED],
)
def test_what_a_service_must_not_do_is_refused(
    variant: Variant,
    control_plane: ControlPlane,
    publisher: Publisher,
    method: str,
    path: str,
    body: object,
) -> None:
    for namespace in (PROJECT, ELSEWHERE):
        answer = as_service(control_plane, publisher, method, path.format(namespace), body)
        assert answer == 403


def as_service(
    plane: ControlPlane, publisher: Publisher, method: str, path: str, body: object = None
) -> int:
    kind = MERGE_PATCH if method == "PATCH" else JSON_TYPE
    return plane.request(method, path, body, kind, person=ACCOUNTS[publisher])[0]


def test_a_role_ends_at_its_namespace_and_a_cluster_role_does_not(
    variant: Variant, control_plane: ControlPlane
) -> None:
    listed = {
        namespace: as_service(control_plane, Publisher.STATE_WATCHER, "GET", PODS.format(namespace))
        for namespace in (*NAMESPACES, ELSEWHERE)
    }
    assert listed == {"nlp": 200, "cv": 200, ELSEWHERE: 200 if variant.is_wide else 403}
    everywhere = as_service(control_plane, Publisher.STATE_WATCHER, "GET", "/api/v1/pods")
    assert everywhere == (200 if variant.is_wide else 403)
    gone = as_service(
        control_plane, Publisher.ABORTER, "DELETE", f"{PODS.format(ELSEWHERE)}/nothing"
    )
    assert gone == (404 if variant.is_wide else 403)
