"""The rights of each service on Kubernetes as the chart grants them: in namespaces, everywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runbus.contracts.transitions import Publisher
from support.chart import CLUSTER_WIDE, NAMESPACED, NAMESPACES, grants_of_services
from support.rbac import Ask, Grant, asked, grants_of, is_allowed

EXPECTED: dict[Publisher, set[tuple[str, str, str]]] = {
    Publisher.SPEC_VALIDATOR: {("list", "scheduling.k8s.io", "priorityclasses")},
    Publisher.SCHEDULER: set(),
    Publisher.POD_LAUNCHER: {("create", "", "pods")},
    Publisher.STATE_WATCHER: {
        ("get", "", "pods"),
        ("list", "", "pods"),
        ("watch", "", "pods"),
        ("list", "", "events"),
        ("get", "", "nodes"),
    },
    Publisher.ABORTER: {
        ("get", "", "pods"),
        ("list", "", "pods"),
        ("delete", "", "pods"),
        ("get", "", "pods/log"),
        ("list", "", "events"),
        ("get", "", "nodes"),
    },
}
DEPLOYING = Path(__file__).resolve().parents[3] / "docs/deploying.md"
OF_THE_CLUSTER = {"priorityclasses", "nodes"}


@pytest.mark.parametrize("publisher", list(Publisher))
@pytest.mark.parametrize("path", [NAMESPACED, CLUSTER_WIDE], ids=lambda path: path.stem)
def test_each_service_has_its_rights_and_no_others(publisher: Publisher, path: Path) -> None:
    grants = grants_of_services(path)[publisher]
    assert {each.right for each in grants} == EXPECTED[publisher]


@pytest.mark.parametrize("publisher", list(Publisher))
def test_the_page_on_deploying_says_the_same(publisher: Publisher) -> None:
    page = DEPLOYING.read_text(encoding="utf-8").partition("## Who may do what")[2]
    row, *_ = re.findall(rf"^\| {publisher.value} \| (.*?) \|$", page, re.MULTILINE)
    told: set[tuple[str, str]] = set()
    for part in re.split(r"[;|]", row.replace("nothing: it has no token", "")):
        *verbs, resource = part.replace(",", "").split() or [""]
        told |= {(verb, resource) for verb in verbs}
    assert told == {(verb, resource) for verb, _, resource in EXPECTED[publisher]}


@pytest.mark.parametrize("publisher", list(Publisher))
def test_in_namespaces_only_what_no_namespace_has_is_granted_everywhere(
    publisher: Publisher,
) -> None:
    for grant in grants_of_services(NAMESPACED)[publisher]:
        if grant.resource in OF_THE_CLUSTER:
            assert grant.namespace == ""
        else:
            assert grant.namespace in NAMESPACES


@pytest.mark.parametrize(
    ("method", "path", "query", "ask"),
    [
        ("POST", "/api/v1/namespaces/nlp/pods", {}, Ask("create", "", "pods", "nlp")),
        ("GET", "/api/v1/namespaces/nlp/pods/a", {}, Ask("get", "", "pods", "nlp")),
        ("GET", "/api/v1/namespaces/nlp/pods/a/log", {}, Ask("get", "", "pods/log", "nlp")),
        ("GET", "/api/v1/namespaces/nlp/pods", {}, Ask("list", "", "pods", "nlp")),
        ("GET", "/api/v1/pods", {"watch": "true"}, Ask("watch", "", "pods")),
        ("DELETE", "/api/v1/namespaces/nlp/pods/a", {}, Ask("delete", "", "pods", "nlp")),
        ("DELETE", "/api/v1/namespaces/nlp/pods", {}, Ask("deletecollection", "", "pods", "nlp")),
        ("GET", "/api/v1/nodes/a", {}, Ask("get", "", "nodes")),
        ("GET", "/api/v1/namespaces/nlp", {}, Ask("get", "", "namespaces", "nlp")),
        (
            "GET",
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            {},
            Ask("list", "scheduling.k8s.io", "priorityclasses"),
        ),
    ],
)
def test_a_request_asks_for_the_right_that_an_api_server_would_check(
    method: str, path: str, query: dict[str, str], ask: Ask
) -> None:
    assert asked(method, path, query) == ask


def test_what_is_no_resource_asks_for_nothing_of_a_role() -> None:
    assert asked("GET", "/version", {}) is None
    assert asked("GET", "/api", {}) is None


def test_a_right_in_a_namespace_covers_that_namespace_only() -> None:
    grants = [Grant("create", "", "pods", "nlp")]
    assert is_allowed(Ask("create", "", "pods", "nlp"), grants)
    assert not is_allowed(Ask("create", "", "pods", "cv"), grants)
    assert not is_allowed(Ask("create", "", "pods"), grants)
    assert not is_allowed(Ask("create", "", "pods/log", "nlp"), grants)


@pytest.mark.parametrize("field", ["apiGroups", "resources", "verbs"])
def test_a_wildcard_is_no_least_right(field: str) -> None:
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]} | {field: ["*"]}
    with pytest.raises(AssertionError):
        grants_of([rule])
