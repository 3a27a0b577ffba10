"""What a node's taints and condition should be, and which pods must leave it. Pure.

Rules: kube-controller-manager's node lifecycle and taint eviction controllers.
"""

from collections.abc import Iterable

from runbus.localcluster.rules.shapes import Condition, Node, Taint, Toleration

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_OWNED = (NOT_READY, UNREACHABLE, UNSCHEDULABLE)


def ready_condition(node: Node) -> Condition | None:
    """The Ready condition, if the node ever reported one."""
    return next((each for each in node.status.conditions or () if each.type == "Ready"), None)


def is_lost(node: Node, silent_s: float, grace_s: float) -> bool:
    """Whether a node that was heard of has been silent for longer than the grace.

    ``silent_s`` is measured by whoever watches it (since a heartbeat changed), so that clocks
    need not agree.
    """
    ready = ready_condition(node)
    return ready is not None and ready.status != "Unknown" and silent_s > grace_s


def wanted_taints(node: Node) -> list[Taint]:
    """The node's taints with those of its condition added or taken away."""
    ready = ready_condition(node)
    status = ready.status if ready else "False"
    keys: dict[str, tuple[str, ...]] = {
        "True": (),
        "Unknown": (UNREACHABLE,),
    }
    wanted = list(keys.get(status, (NOT_READY,)))
    if node.spec.unschedulable:
        wanted.append(UNSCHEDULABLE)
    wanted_pairs = [(key, "NoSchedule") for key in wanted]
    wanted_pairs += [(key, "NoExecute") for key in wanted if key != UNSCHEDULABLE]
    kept = [each for each in node.spec.taints or () if each.key not in _OWNED]
    return [*kept, *(Taint(key=key, effect=effect) for key, effect in wanted_pairs)]


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether a toleration is for a taint."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or (toleration.value or "") == (taint.value or "")


def stay_s(tolerations: Iterable[Toleration], taints: Iterable[Taint]) -> float | None:
    """How long a pod may stay on a node with these taints; None: for ever."""
    known = list(tolerations)
    used: list[Toleration] = []
    for taint in taints:
        if taint.effect != "NoExecute":
            continue
        matching = [each for each in known if tolerates(each, taint)]
        if not matching:
            return 0.0
        used += matching
    limits = [
        max(each.toleration_seconds, 0) for each in used if each.toleration_seconds is not None
    ]
    return float(min(limits)) if limits else None
