"""What the nodes of this machine are told to suffer: reclaimed, lost, restored. Pure.

The orders are a config map, so that they reach the runner as everything else does: over the API.
``api/node_orders.py`` writes it, ``runner/host.py`` reads it.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

NAMESPACE = "kube-system"
NAME = "localcluster-nodes"


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One node's last order. ``serial`` tells a repeated one from the same one."""

    order: Literal["reclaim", "lose", "restore"] = "restore"
    notice_s: float = 0.0
    serial: int = 0


def read_orders(data: Mapping[str, str] | None) -> dict[str, Order]:
    """The orders by node; what cannot be read is no order."""
    found: dict[str, Order] = {}
    for name, text in (data or {}).items():
        try:
            found[name] = msgspec.json.decode(text, type=Order)
        except msgspec.DecodeError:
            continue
    return found
