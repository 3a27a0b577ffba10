"""``POST /localcluster/v1/nodes/NAME/{reclaim,lose,restore}``: what befalls a node, for tests.

The order goes into a config map, where the runner of the node finds it (``orders.py``).
"""

from typing import Any

import msgspec

from runbus.localcluster.api.operations import Operations
from runbus.localcluster.orders import NAME, NAMESPACE, Order, read_orders
from runbus.localcluster.rules.errors import bad_request, not_found, unknown_path
from runbus.localcluster.rules.resources import CONFIG_MAPS, NODES, Target

JsonObject = dict[str, Any]
_LONGEST_S = 3600.0
_KINDS = ("reclaim", "lose", "restore")


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    notice_s: float = 0.0


def give_order(operations: Operations, node: str, kind: str, raw: bytes) -> Order:
    """Store an order for a node; 404 where there is no such node, 400 for a wrong body."""
    if kind not in _KINDS:
        raise unknown_path()
    try:
        body = msgspec.json.decode(raw, type=_Body) if raw else _Body()
    except msgspec.DecodeError as error:
        raise bad_request(f"not an order: {error}") from error
    if not 0 <= body.notice_s <= _LONGEST_S:
        raise bad_request(f"not an order: notice_s must be 0 to {_LONGEST_S:g}")
    store = operations.store
    stored = store.find(CONFIG_MAPS, NAMESPACE, NAME)
    data: dict[str, str] = (stored.obj.get("data") or {}) if stored else {}
    before = read_orders(data).get(node)
    if store.find(NODES, "", node) is None and before is None:
        raise not_found(NODES, node)
    serial = before.serial + 1 if before else 1
    order = msgspec.convert(
        {"order": kind, "notice_s": body.notice_s, "serial": serial}, type=Order
    )
    content = {"data": {**data, node: msgspec.json.encode(order).decode()}}
    if stored is None:
        operations.create(Target(CONFIG_MAPS, NAMESPACE), {"metadata": {"name": NAME}, **content})
    else:
        target = Target(CONFIG_MAPS, NAMESPACE, NAME)
        operations.update(target, lambda shown: {**shown, **content}, dry_run=False)
    return order
