"""What sort of node a pod is on, from the node's labels. Must not know: how they are found out."""

from __future__ import annotations

from collections.abc import Mapping


def is_spot_node(node_labels: Mapping[str, str], spot_labels: Mapping[str, str]) -> bool:
    """Say whether a node is a spot node: it has any of the labels, with that very value.

    Args:
        node_labels: the node's own.
        spot_labels: the operator's `preemptible_nodes.node_selector`, as the run was accepted with.

    """
    return any(node_labels.get(key) == value for key, value in spot_labels.items())
