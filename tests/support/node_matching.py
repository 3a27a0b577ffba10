"""Which nodes a pod may go to: Kubernetes' own rules, told once more and independently.

Selectors, required node affinity (terms are alternatives, the requirements of a term all hold),
and taints by key, value and effect. Source: the Kubernetes documentation on assigning pods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from runbus.contracts.document import RunDocument

Labels = Mapping[str, str]


class Taint(Struct, frozen=True):
    """A taint of a node."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"


class Node(Struct, frozen=True):
    """A node: its labels, its taints, and its name."""

    labels: Labels
    taints: tuple[Taint, ...] = ()
    name: str = "node"


def fits(document: RunDocument, node: Node) -> bool:
    """Say whether a scheduler could put a pod with these settings onto a node."""
    pod: dict[str, Any] = msgspec.to_builtins(document)
    selector = pod.get("node_selector") or {}
    return (
        all(node.labels.get(key) == value for key, value in selector.items())
        and _is_required(pod.get("affinity") or {}, node)
        and all(
            taint.effect == "PreferNoSchedule" or _is_tolerated(taint, pod.get("tolerations") or [])
            for taint in node.taints
        )
    )


def _is_required(affinity: Mapping[str, Any], node: Node) -> bool:
    nodes = affinity.get("nodeAffinity") or {}
    required = nodes.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(_meets(term, node) for term in required["nodeSelectorTerms"])


def _meets(term: Mapping[str, Any], node: Node) -> bool:
    """Say whether a term is met; one without any requirement is met by no node."""
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    names = {"metadata.name": node.name}
    return (
        bool(expressions or fields)
        and all(_holds(each, node.labels) for each in expressions)
        and all(_holds(each, names) for each in fields)
    )


def _holds(requirement: Mapping[str, Any], labels: Labels) -> bool:
    key, values = requirement["key"], requirement.get("values") or []
    match requirement["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case "Gt":
            return _is_number(labels.get(key)) and int(labels[key]) > int(values[0])
        case "Lt":
            return _is_number(labels.get(key)) and int(labels[key]) < int(values[0])
    raise AssertionError(requirement)


def _is_number(text: str | None) -> bool:
    """Say whether a label can be compared; one that cannot is neither more nor less."""
    return text is not None and text.removeprefix("-").isdecimal()


def _is_tolerated(taint: Taint, tolerations: Sequence[Mapping[str, Any]]) -> bool:
    return any(
        each.get("key", "") in ("", taint.key)
        and each.get("effect", taint.effect) == taint.effect
        and (each.get("operator", "Equal") == "Exists" or each.get("value", "") == taint.value)
        for each in tolerations
    )
