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
from support.node_matching import Labels, Node, Taint, fits

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


def _node_affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"nodeSelectorTerms": list(terms)}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


def _term(operator: str, *values: str, key: str = "cloud.google.com/gke-spot") -> dict[str, Any]:
    requirement = {"key": key, "operator": operator, **({"values": values} if values else {})}
    return {"matchExpressions": [requirement]}


ZONE = _term("In", "a", key="zone")
AFFINITIES = [
    ("prevent", [_term("In", "true")], True),
    ("prevent", [_term("In", "true"), ZONE], False),
    ("prevent", [_term("In", "true", "false")], False),
    ("prevent", [_term("Exists")], False),
    ("constrain", [_term("DoesNotExist")], True),
    ("constrain", [_term("NotIn", "true")], True),
    ("constrain", [_term("In", "false"), _term("Gt", "1")], True),
    ("constrain", [_term("NotIn", "true"), ZONE], False),
    ("constrain", [_term("Exists")], False),
    ("allow", [_term("In", "true")], False),
    ("none", [_term("DoesNotExist")], False),
]


@pytest.mark.parametrize(("mode", "terms", "is_refused"), AFFINITIES)
def test_an_affinity_is_refused_where_no_term_of_it_goes_with_the_mode(
    mode: str, terms: list[dict[str, Any]], is_refused: bool
) -> None:
    found = paths({"preemption_mode": mode, "affinity": _node_affinity(*terms)}, FILE)

    assert [path for path, _ in found] == (["/affinity"] if is_refused else [])


def test_a_selector_that_leaves_one_of_several_labels_excludes_nothing() -> None:
    file = {"preemptible_nodes": {"node_selector": {"l": "spot", "m": "spot"}}}
    settings = {"preemption_mode": "constrain", "node_selector": {"l": "other"}}

    assert paths(settings, file) == []
    assert [path for path, _ in paths({**settings, "node_selector": {"l": "x", "m": "x"}}, file)]


# --- over random nodes --------------------------------------------------------------------------

KEYS, VALUES = ("spot", "pool", "zone"), ("a", "b", "3")
LABELS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=3)
SPOT_TAINT = {"key": "spot", "operator": "Equal", "value": "a", "effect": "NoSchedule"}
TAINT = Taint(key="spot", value="a")
TAINTS = st.lists(
    st.sampled_from([TAINT, Taint("spot", "b"), Taint("gpu"), Taint("gpu", effect="NoExecute")]),
    unique=True,
    max_size=3,
).map(tuple)
NODES = st.lists(
    st.builds(Node, labels=LABELS, taints=TAINTS, name=st.sampled_from(["n1", "n2"])), max_size=8
)
SPOT_LABELS = st.dictionaries(st.sampled_from(KEYS[:2]), st.sampled_from(VALUES[:2]), min_size=1)
TOLERATION = st.sampled_from(
    [
        SPOT_TAINT,
        {"key": "spot", "value": "a", "effect": "NoSchedule"},
        {"key": "spot", "operator": "Exists"},
        {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"operator": "Exists"},
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
        {"key": st.sampled_from(KEYS), "operator": st.sampled_from(["Exists", "DoesNotExist"])}
    ),
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(KEYS),
            "operator": st.sampled_from(["Gt", "Lt"]),
            "values": st.sampled_from([["2"], ["3"], ["4"]]),
        }
    ),
)
FIELD = st.fixed_dictionaries(
    {
        "key": st.just("metadata.name"),
        "operator": st.sampled_from(["In", "NotIn"]),
        "values": st.just(["n1"]),
    }
)
TERMS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "matchExpressions": st.lists(REQUIREMENT, max_size=2),
            "matchFields": st.lists(FIELD, max_size=1),
        },
    ),
    min_size=1,
    max_size=2,
)
SETTINGS = st.fixed_dictionaries(
    {
        "node_selector": st.dictionaries(
            st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=1
        ),
        "affinity": st.none() | TERMS.map(lambda terms: _node_affinity(*terms)),
        "tolerations": st.lists(TOLERATION, max_size=2),
    }
)


def a_document(settings: dict[str, Any], mode: str) -> RunDocument:
    given = {key: value for key, value in settings.items() if value}
    return msgspec.convert({**given, "preemption_mode": mode}, RunDocument)


def a_platform(labels: Labels) -> Platform:
    nodes = {"node_selector": labels, "tolerations": [SPOT_TAINT]}
    return msgspec.convert({"preemptible_nodes": nodes}, Platform)


def is_spot(node: Node, labels: Labels) -> bool:
    return any(node.labels.get(key) == value for key, value in labels.items())


def without_spot_taint(node: Node) -> Node:
    return msgspec.structs.replace(
        node, taints=tuple(each for each in node.taints if each != TAINT)
    )


def without_spot_toleration(settings: dict[str, Any]) -> dict[str, Any]:
    kept = [
        each
        for each in settings["tolerations"]
        if each not in (SPOT_TAINT, {"key": "spot", "value": "a", "effect": "NoSchedule"})
    ]
    return {**settings, "tolerations": kept}


@given(SETTINGS, SPOT_LABELS, NODES)
def test_prevent_leaves_exactly_the_nodes_of_the_user_that_are_no_spot_nodes(
    settings: dict[str, Any], labels: Labels, nodes: list[Node]
) -> None:
    document = placed(a_document(settings, "prevent"), a_platform(labels))
    own = a_document(without_spot_toleration(settings), "none")

    for node in nodes:
        assert fits(document, node) == (fits(own, node) and not is_spot(node, labels))


@given(SETTINGS, SPOT_LABELS, NODES)
def test_constrain_leaves_exactly_the_nodes_of_the_user_that_are_spot_nodes(
    settings: dict[str, Any], labels: Labels, nodes: list[Node]
) -> None:
    document = placed(a_document(settings, "constrain"), a_platform(labels))
    own = a_document(settings, "none")

    for node in nodes:
        is_own = fits(own, without_spot_taint(node))
        assert fits(document, node) == (is_own and is_spot(node, labels))


@given(SETTINGS, SPOT_LABELS, NODES)
def test_allow_takes_no_node_away_and_adds_tainted_spot_nodes(
    settings: dict[str, Any], labels: Labels, nodes: list[Node]
) -> None:
    document = placed(a_document(settings, "allow"), a_platform(labels))
    own = a_document(settings, "none")

    for node in nodes:
        assert fits(document, node) == fits(own, without_spot_taint(node))


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
    own = a_document(settings, "none")
    judged = placed(a_document(settings, mode), a_platform(labels))
    for node in nodes:
        spot = msgspec.structs.replace(node, labels={**node.labels, **labels})
        for each in (node, spot):
            if fits(judged, each):
                assert fits(own, without_spot_taint(each))
    assert judged.node_selector == own.node_selector


def test_gpu_tolerations_go_to_pods_with_a_gpu_in_every_mode_and_are_not_kept_for_others() -> None:
    platform = msgspec.convert(
        {"gpu_tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]}, Platform
    )
    for mode in ("allow", "constrain", "prevent", "none"):
        with_gpu = a_document({"resources": {"gpus": {"count": 1}}}, mode)
        without = a_document({"resources": {"limits": {"cpu": "1"}}}, mode)
        assert [each.key for each in placed(with_gpu, platform).tolerations or ()] == [
            "nvidia.com/gpu"
        ]
        assert placed(without, platform).tolerations is None
