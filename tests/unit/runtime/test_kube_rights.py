"""Which right a request takes, and which 403 says that it is missing."""

from __future__ import annotations

import pytest

from runbus.runtime.kube_errors import KubeError, KubeForbiddenError, KubeRefusedError, error_of
from runbus.runtime.kube_rights import Asked, asked


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/pods", Asked("list", "pods")),
        ("GET", "/api/v1/namespaces/nlp/pods", Asked("list", "pods", "nlp")),
        ("GET", "/api/v1/namespaces/nlp/pods/x", Asked("get", "pods", "nlp")),
        ("GET", "/api/v1/namespaces/nlp/pods/x/log", Asked("get", "pods/log", "nlp")),
        ("POST", "/api/v1/namespaces/nlp/pods", Asked("create", "pods", "nlp")),
        ("DELETE", "/api/v1/namespaces/nlp/pods/x", Asked("delete", "pods", "nlp")),
        ("GET", "/api/v1/nodes/x", Asked("get", "nodes")),
        ("GET", "/apis/scheduling.k8s.io/v1/priorityclasses", Asked("list", "priorityclasses")),
        ("POST", "/apis/kubeflow.org/v1/namespaces/a/mpijobs", Asked("create", "mpijobs", "a")),
    ],
)
def test_a_request_asks_for_a_verb_on_a_resource(method: str, path: str, expected: Asked) -> None:
    assert asked(method, path) == expected


def test_a_watch_has_a_verb_of_its_own() -> None:
    assert asked("GET", "/api/v1/pods", is_watch=True).text == "watch pods in the cluster"


@pytest.mark.parametrize(
    ("method", "details", "kind"),
    [
        ("POST", b'{"kind":"pods"}', KubeForbiddenError),
        ("POST", b'{"kind":"pods","name":"x"}', KubeRefusedError),  # a quota
        ("POST", b"{}", KubeRefusedError),  # a webhook
        ("DELETE", b'{"kind":"pods","name":"x"}', KubeForbiddenError),
        ("GET", b'{"kind":"pods"}', KubeForbiddenError),
        ("GET", b"null", KubeRefusedError),  # a proxy in between
    ],
)
def test_only_the_authorizers_403_says_that_a_right_is_missing(
    method: str, details: bytes, kind: type[KubeError]
) -> None:
    body = b'{"kind":"Status","reason":"Forbidden","code":403,"details":' + details + b"}"
    assert type(error_of(403, body, {}, method)) is kind
