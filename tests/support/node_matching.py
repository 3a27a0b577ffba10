"""Which nodes a pod may go to: Kubernetes' own rules, told once more and independently.

Selectors, required node affinity (terms are alternatives, the requirements of a term all hold) and
taints with effect NoSchedule. Source: the Kubernetes documentation on assigning pods to nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from runbus.contracts.document import RunDocument

Labels = Mapping[str, str]


class Node(Struct, frozen=True):
    """A node: its labels, and the keys of its taints (no value, NoSchedule)."""

    labels: Labels
    taints: tuple[str, ...] = ()


def fits(document: RunDocument, node: Node) -> bool:
    """Say whether a scheduler could put a pod with these settings onto a node."""
    pod: dict[str, Any] = msgspec.to_builtins(document)
    selector = pod.get("node_selector") or {}
    return (
        all(node.labels.get(key) == value for key, value in selector.items())
        and _is_required(pod.get("affinity") or {}, node.labels)
        and all(_is_tolerated(taint, pod.get("tolerations") or []) for taint in node.taints)
    )


def _is_required(affinity: Mapping[str, Any], labels: Labels) -> bool:
    nodes = affinity.get("nodeAffinity") or {}
    required = nodes.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(_meets(term, labels) for term in required["nodeSelectorTerms"])


def _meets(term: Mapping[str, Any], labels: Labels) -> bool:
    """Say whether a term is met; one without any requirement is met by no node."""
    expressions = term.get("matchExpressions") or []
    return bool(expressions) and all(_holds(each, labels) for each in expressions)


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
            return key in labels and int(labels[key]) > int(values[0])
        case "Lt":
            return key in labels and int(labels[key]) < int(values[0])
    raise AssertionError(requirement)


def _is_tolerated(taint: str, tolerations: list[Mapping[str, Any]]) -> bool:
    return any(
        each.get("key", "") in ("", taint)
        and each.get("effect", "NoSchedule") == "NoSchedule"
        and (each.get("operator", "Equal") == "Exists" or not each.get("value"))
        for each in tolerations
    )
