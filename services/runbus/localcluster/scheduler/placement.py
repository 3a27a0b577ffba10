"""Which node a pod goes to, or why to none. Pure.

Filters in kube-scheduler's order: unschedulable, taints, node affinity, resources; the first that
fails gives a node's reason. Wording: k8s.io/kubernetes/pkg/scheduler (1.32).
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from runbus.localcluster.rules.quantities import parse_quantity
from runbus.localcluster.rules.shapes import (
    Container,
    Node,
    NodeTerm,
    Pod,
    Quantities,
    Requirement,
    Taint,
    Toleration,
)

Amounts = dict[str, int]
_BLOCKING = ("NoSchedule", "NoExecute")
_UNSCHEDULABLE = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")


class NodeView(msgspec.Struct, frozen=True):
    """A node as the filters see it. Amounts: CPU in thousandths, everything else in units."""

    name: str
    labels: dict[str, str]
    taints: tuple[Taint, ...]
    unschedulable: bool
    allocatable: Amounts


class PodView(msgspec.Struct, frozen=True):
    """A pod as the filters see it; ``terms`` None means no required node affinity."""

    demand: Amounts
    node_selector: dict[str, str]
    terms: tuple[NodeTerm, ...] | None
    tolerations: tuple[Toleration, ...]


class Placed(msgspec.Struct, frozen=True, tag=True):
    """The pod goes to that node."""

    node: str


class Unplaced(msgspec.Struct, frozen=True, tag=True):
    """No node takes the pod; the message is kube-scheduler's."""

    message: str


def view_node(node: Node) -> NodeView:
    """Read a node. Without ``allocatable`` it has nothing to give."""
    given = node.status.allocatable or node.status.capacity or {}
    return NodeView(
        node.metadata.name,
        node.metadata.labels or {},
        tuple(node.spec.taints or ()),
        bool(node.spec.unschedulable),
        {name: _amount(name, text, up=False) for name, text in given.items()},
    )


def view_pod(pod: Pod) -> PodView:
    """Read a pod."""
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    terms = None if required is None else tuple(required.node_selector_terms or ())
    return PodView(
        demand_of(pod), pod.spec.node_selector or {}, terms, tuple(pod.spec.tolerations or ())
    )


def demand_of(pod: Pod) -> Amounts:
    """What a pod takes of a node: containers and sidecars together, or its largest init step."""
    total: Amounts = {}
    for container in pod.spec.containers or ():
        _add(total, _requests(container))
    sidecars: Amounts = {}
    steps: Amounts = {}
    for container in pod.spec.init_containers or ():
        wants = _requests(container)
        if container.restart_policy == "Always":
            _add(sidecars, wants)
            wants = {}
        for name in {*wants, *sidecars}:
            step = wants.get(name, 0) + sidecars.get(name, 0)
            steps[name] = max(steps.get(name, 0), step)
    _add(total, sidecars)
    for name, step in steps.items():
        total[name] = max(total.get(name, 0), step)
    _add(total, _amounts(pod.spec.overhead))
    return {**total, "pods": 1}


def _requests(container: Container) -> Amounts:
    return _amounts(container.resources.requests if container.resources else None)


def _amounts(given: Quantities | None) -> Amounts:
    return {name: _amount(name, text, up=True) for name, text in (given or {}).items()}


def _amount(name: str, text: str | int | float, up: bool) -> int:
    value = parse_quantity(str(text)) * (1000 if name == "cpu" else 1)
    return math.ceil(value) if up else math.floor(value)


def _add(total: Amounts, more: Amounts) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def decide(
    pod: PodView, nodes: Iterable[NodeView], used: Mapping[str, Mapping[str, int]]
) -> Placed | Unplaced:
    """Choose the node with most left after the pod; the first by name among equals."""
    reasons: Counter[str] = Counter()
    best: tuple[float, str] | None = None
    count = 0
    for node in nodes:
        count += 1
        taken = used.get(node.name, {})
        refusals = _refusals(pod, node, taken)
        if refusals:
            reasons.update(refusals)
            continue
        score = (-_free_share(pod, node, taken), node.name)
        if best is None or score < best:
            best = score
    if best is not None:
        return Placed(best[1])
    if count == 0:
        return Unplaced("no nodes available to schedule pods")
    listed = ", ".join(sorted(f"{number} {reason}" for reason, number in reasons.items()))
    return Unplaced(f"0/{count} nodes are available: {listed}.")


def _refusals(pod: PodView, node: NodeView, taken: Mapping[str, int]) -> list[str]:
    if node.unschedulable and not _tolerated(_UNSCHEDULABLE, pod.tolerations):
        return ["node(s) were unschedulable"]
    for taint in node.taints:
        if taint.effect in _BLOCKING and not _tolerated(taint, pod.tolerations):
            return [f"node(s) had untolerated taint {{{taint.key}: {taint.value or ''}}}"]
    if not _affine(pod, node):
        return ["node(s) didn't match Pod's node affinity/selector"]
    lacking = []
    for name, amount in pod.demand.items():
        if amount and taken.get(name, 0) + amount > node.allocatable.get(name, 0):
            lacking.append("Too many pods" if name == "pods" else f"Insufficient {name}")
    return lacking


def _free_share(pod: PodView, node: NodeView, taken: Mapping[str, int]) -> float:
    shares = [
        1 - (taken.get(name, 0) + pod.demand.get(name, 0)) / node.allocatable[name]
        for name in ("cpu", "memory")
        if node.allocatable.get(name)
    ]
    return sum(shares) / len(shares) if shares else 0.0


def _tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    for each in tolerations:
        if each.effect and each.effect != taint.effect:
            continue
        if each.key and each.key != taint.key:
            continue
        if each.operator == "Exists" or (each.value or "") == (taint.value or ""):
            return True
    return False


def _affine(pod: PodView, node: NodeView) -> bool:
    if any(node.labels.get(key) != value for key, value in pod.node_selector.items()):
        return False
    return pod.terms is None or any(_term_matches(term, node) for term in pod.terms)


def _term_matches(term: NodeTerm, node: NodeView) -> bool:
    if not term.match_expressions and not term.match_fields:
        return False  # an empty term matches nothing
    fields = {"metadata.name": node.name}
    return all(_meets(each, node.labels) for each in term.match_expressions or ()) and all(
        _meets(each, fields) for each in term.match_fields or ()
    )


def _meets(each: Requirement, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(each.key), each.values or []
    match each.operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(value, values, above=each.operator == "Gt")
        case _:
            return False


def _compares(value: str | None, values: list[str], above: bool) -> bool:
    if value is None or len(values) != 1:
        return False
    try:
        left, right = int(value), int(values[0])
    except ValueError:
        return False
    return left > right if above else left < right
