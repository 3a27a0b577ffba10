"""Preemption modes that no node could meet, refused at the setting that is in the way.

A pod of such a mode would wait for ever. Looked at are the selector and the required node affinity
in force, of whichever level. Source: the page on settings, section 6. It must not know what is
made of a mode (`placing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runbus.contracts.document import PreemptionMode
from runbus.contracts.violations import Violation, ViolationCode, pointer
from runbus.settings.in_force import InForce

Term = Mapping[str, Any]
Label = tuple[str, str]

_MODE = "/preemption_mode"
_AFFINITY = "/affinity"
_NO_SPOT = "the operator names no spot nodes (preemptible_nodes), so that no node could be found"
_PINNED = "pins spot nodes, and preemption_mode is prevent: take allow, or leave it out"
_EXCLUDED = "excludes spot nodes, and preemption_mode is constrain: change one"


def unmeetable_mode(pods: InForce) -> list[Violation]:
    """Return why no node could meet the preemption mode of a run's pods, or of one role's."""
    labels = list(pods.platform.preemptible_nodes.node_selector.items())
    match pods.settings.get("preemption_mode"):
        case PreemptionMode.CONSTRAIN.value if not labels:
            given = PreemptionMode.CONSTRAIN.value
            allowed = ["allow", "prevent", "none"]
            code = ViolationCode.CONFLICT
            return [pods.refusal(_MODE, code, given, allowed=allowed, hint=_NO_SPOT)]
        case PreemptionMode.CONSTRAIN.value:
            return _excluded(pods, labels)
        case PreemptionMode.PREVENT.value:
            return _pinned(pods, labels)
    return []


def _excluded(pods: InForce, labels: Sequence[Label]) -> list[Violation]:
    """Refuse what leaves no label by which a node could be a spot node."""
    selector = pods.settings.get("node_selector") or {}
    left = [(key, value) for key, value in labels if selector.get(key, value) == value]
    if not left:
        return [_of_selector(pods, labels[0][0], _EXCLUDED)]
    terms = _terms(pods)
    if not terms or any(_allows(term, label) for term in terms for label in left):
        return []
    return [_of_affinity(pods, _EXCLUDED)]


def _pinned(pods: InForce, labels: Sequence[Label]) -> list[Violation]:
    """Refuse what asks for a label that only spot nodes have."""
    selector = pods.settings.get("node_selector") or {}
    pins = [key for key, value in labels if selector.get(key) == value]
    if pins:
        return [_of_selector(pods, key, _PINNED) for key in pins]
    terms = _terms(pods)
    if terms and all(any(_demands(term, label) for label in labels) for term in terms):
        return [_of_affinity(pods, _PINNED)]
    return []


def _terms(pods: InForce) -> list[Term]:
    """Return the required terms that some node could meet: one without requirements meets none."""
    nodes = (pods.settings.get("affinity") or {}).get("nodeAffinity") or {}
    required = nodes.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or ()
    return [each for each in terms if each.get("matchExpressions") or each.get("matchFields")]


def _allows(term: Term, label: Label) -> bool:
    """Say whether a node with this label can meet a term."""
    key, value = label
    return all(
        _holds(each, value) for each in term.get("matchExpressions") or () if each["key"] == key
    )


def _holds(requirement: Mapping[str, Any], value: str) -> bool:
    values = requirement.get("values") or ()
    match requirement["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "DoesNotExist":
            return False
        case "Gt" | "Lt" as operator:
            return _compares(operator, value, values)
    return True


def _compares(operator: str, value: str, values: Sequence[str]) -> bool:
    """Compare as Kubernetes does: a label that is no whole number is neither more nor less."""
    try:
        own, other = int(value), int(values[0])
    except (ValueError, IndexError):
        return False
    return own > other if operator == "Gt" else own < other


def _demands(term: Term, label: Label) -> bool:
    """Say whether a term is met by nodes with this label alone."""
    return any(
        each["key"] == label[0] and each["operator"] == "In" and set(each["values"]) == {label[1]}
        for each in term.get("matchExpressions") or ()
    )


def _of_selector(pods: InForce, key: str, why: str) -> Violation:
    given = pods.settings["node_selector"][key]
    path = pointer("/node_selector", key)
    return pods.refusal(path, ViolationCode.CONFLICT, given, hint=f"it {why}")


def _of_affinity(pods: InForce, why: str) -> Violation:
    hint = f"its required node affinity {why}"
    return pods.refusal(_AFFINITY, ViolationCode.CONFLICT, hint=hint)
