"""Preemption modes: what is refused, what stays the user's, and where pods may go by it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbus.contracts.document import RunDocument
from runbus.contracts.placement import Platform
from runbus.settings.defaults import Defaults, defaults_of
from runbus.settings.model import Refused
from runbus.settings.placing import placed
from runbus.settings.resolve import resolve
from support.documents import a_job
from support.node_matching import Labels, Node, fits

SPOT = {"cloud.google.com/gke-spot": "true"}
FILE: dict[str, Any] = {"preemptible_nodes": {"preset": "gke"}}
PIN = {"node_selector": SPOT}
OTHER = {"node_selector": {"cloud.google.com/gke-spot": "false"}}
AT = "/node_selector/cloud.google.com~1gke-spot"


def paths(settings: dict[str, Any], file: dict[str, Any] | None) -> list[tuple[str, str]]:
    defaults = defaults_of(file)
    assert isinstance(defaults, Defaults), defaults
    found = resolve(a_job(**settings), project=None, defaults=defaults, default_user="ann")
    told = found.violations if isinstance(found, Refused) else ()
    return [(each.path, each.hint or "") for each in told]


def test_constrain_without_spot_nodes_is_refused() -> None:
    ((path, hint),) = paths({"preemption_mode": "constrain"}, None)

    assert path == "/preemption_mode"
    assert "preemptible_nodes" in hint


def test_prevent_with_a_selector_that_pins_spot_nodes_is_refused_also_by_default() -> None:
    assert [path for path, _ in paths(PIN, FILE)] == [AT]


def test_the_selector_of_a_project_is_named_as_the_cause() -> None:
    file = {**FILE, "projects": {"nlp": {"defaults": {**PIN, "preemption_mode": "allow"}}}}
    ((path, hint),) = paths({"preemption_mode": "prevent"}, file)

    assert path == AT
    assert "the defaults of project nlp" in hint


def test_constrain_with_a_selector_that_excludes_spot_nodes_is_refused() -> None:
    assert [path for path, _ in paths({**OTHER, "preemption_mode": "constrain"}, FILE)] == [AT]


@pytest.mark.parametrize("mode", ["allow", "none"])
def test_the_other_modes_refuse_nothing(mode: str) -> None:
    assert paths({**PIN, "preemption_mode": mode}, FILE) == []
    assert paths({**OTHER, "preemption_mode": mode}, FILE) == []


def test_a_role_may_have_another_mode() -> None:
    settings = {
        "kind": "mpijob",
        "command": "x",
        "preemption_mode": "allow",
        "roles": {"worker": {"preemption_mode": "constrain"}},
    }

    assert [path for path, _ in paths(settings, None)] == ["/roles/worker/preemption_mode"]


# --- over random nodes --------------------------------------------------------------------------

KEYS, VALUES = ("spot", "pool", "zone"), ("a", "b")
LABELS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=3)
TAINTS = st.lists(st.sampled_from(["spot", "gpu", "other"]), unique=True, max_size=3)
NODES = st.lists(st.builds(Node, labels=LABELS, taints=TAINTS.map(tuple)), max_size=8)
SPOT_LABELS = st.dictionaries(st.sampled_from(KEYS[:2]), st.sampled_from(VALUES), min_size=1)
TOLERATION = st.sampled_from(
    [
        {"key": "spot", "operator": "Exists"},
        {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"operator": "Exists"},
        {"key": "other", "operator": "Equal", "value": ""},
    ]
)
REQUIREMENT = st.one_of(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(KEYS),
            "operator": st.sampled_from(["In", "NotIn"]),
            "values": st.lists(st.sampled_from(VALUES), min_size=1, max_size=2, unique=True),
        }
    ),
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(KEYS),
            "operator": st.sampled_from(["Exists", "DoesNotExist"]),
        }
    ),
)
TERMS = st.lists(
    st.fixed_dictionaries({"matchExpressions": st.lists(REQUIREMENT, min_size=1, max_size=2)}),
    min_size=1,
    max_size=2,
)
AFFINITY = st.none() | TERMS.map(
    lambda terms: {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}
        }
    }
)
SETTINGS = st.fixed_dictionaries(
    {
        "node_selector": st.dictionaries(
            st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=1
        ),
        "affinity": AFFINITY,
        "tolerations": st.lists(TOLERATION, max_size=2),
    }
)
SPOT_TAINT = {"key": "spot", "operator": "Exists"}


def a_document(settings: dict[str, Any], mode: str) -> RunDocument:
    given = {key: value for key, value in settings.items() if value}
    return msgspec.convert({**given, "preemption_mode": mode}, RunDocument)


def a_platform(labels: Labels) -> Platform:
    nodes = {"node_selector": labels, "tolerations": [SPOT_TAINT]}
    return msgspec.convert({"preemptible_nodes": nodes}, Platform)


def is_spot(node: Node, labels: Labels) -> bool:
    return any(node.labels.get(key) == value for key, value in labels.items())


@given(SETTINGS, SPOT_LABELS, NODES)
def test_prevent_never_lets_a_pod_onto_a_spot_node(
    settings: dict[str, Any], labels: Labels, nodes: list[Node]
) -> None:
    document = placed(a_document(settings, "prevent"), a_platform(labels))

    assert not [node for node in nodes if is_spot(node, labels) and fits(document, node)]


@given(SETTINGS, SPOT_LABELS, NODES)
def test_constrain_never_lets_a_pod_onto_any_other_node(
    settings: dict[str, Any], labels: Labels, nodes: list[Node]
) -> None:
    document = placed(a_document(settings, "constrain"), a_platform(labels))

    assert not [node for node in nodes if not is_spot(node, labels) and fits(document, node)]


@given(SETTINGS, SPOT_LABELS, NODES)
def test_allow_takes_no_node_away_and_adds_tainted_spot_nodes(
    settings: dict[str, Any], labels: Labels, nodes: list[Node]
) -> None:
    before = a_document(settings, "none")
    document = placed(a_document(settings, "allow"), a_platform(labels))
    untainted = [
        Node(labels=each.labels, taints=tuple(t for t in each.taints if t != "spot"))
        for each in nodes
    ]

    for node, clear in zip(nodes, untainted, strict=True):
        assert fits(document, node) == fits(before, clear)


@given(SETTINGS, SPOT_LABELS, NODES)
def test_none_changes_nothing(settings: dict[str, Any], labels: Labels, nodes: list[Node]) -> None:
    document = a_document(settings, "none")

    assert placed(document, a_platform(labels)) == document


@given(SETTINGS, NODES, st.sampled_from(["allow", "constrain", "prevent", "none"]))
def test_a_users_own_constraints_survive_every_mode(
    settings: dict[str, Any], nodes: list[Node], mode: str
) -> None:
    """Spot nodes have a label that the user's constraints know nothing of."""
    labels = {"lifecycle": "spot"}
    own, document = a_document(settings, "none"), a_document(settings, mode)
    judged = placed(document, a_platform(labels))
    for node in nodes:
        of_both = [node, Node(labels={**node.labels, **labels}, taints=node.taints)]
        for each in of_both:
            if fits(judged, each):
                clear = tuple(t for t in each.taints if t != "spot")
                assert fits(own, Node(labels=each.labels, taints=clear))
