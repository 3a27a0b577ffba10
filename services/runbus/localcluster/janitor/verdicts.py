"""What a node's taints and condition should be, by its heartbeats. Pure.

Rules: kube-controller-manager's node lifecycle controller.
"""

from runbus.localcluster.rules.shapes import Condition, Node, Taint

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
    kept = [each for each in node.spec.taints or () if each.key not in _OWNED]
    return [*kept, *(Taint(key=key, effect="NoSchedule") for key in wanted)]
