"""Objects as tables (meta.k8s.io/v1 Table), which kubectl prints. Pure; time comes in.

The columns of each kind are in ``columns.py``.
"""

from collections.abc import Iterable
from typing import Any

from runbus.localcluster.api.columns import columns_of
from runbus.localcluster.rules.resources import Resource
from runbus.localcluster.store.history import Stored
from runbus.localcluster.store.pages import Page

JsonObject = dict[str, Any]


def wants_table(accept: str) -> bool:
    """Whether an Accept header prefers a Table."""
    return accept.startswith("application/json") and "as=Table" in accept.partition(",")[0]


def as_table(resource: Resource, page: Page, now_s: float, include: str = "") -> JsonObject:
    """The Table of one page; ``include`` says what of each object goes with its row."""
    meta: JsonObject = {"resourceVersion": str(page.version)}
    if page.token:
        meta["continue"] = page.token
        if page.remaining is not None:
            meta["remainingItemCount"] = page.remaining
    return {**_table(resource, page.items, now_s, include, with_head=True), "metadata": meta}


def as_row(
    resource: Resource, stored: Stored, now_s: float, include: str, with_head: bool
) -> JsonObject:
    """The Table of one watch event; columns stand in the first of a stream only."""
    table = _table(resource, [stored], now_s, include, with_head)
    return {**table, "metadata": {"resourceVersion": str(stored.version)}}


def bookmark_table(version: int, initial_end: bool) -> JsonObject:
    """The Table of a bookmark: no rows."""
    meta: JsonObject = {"resourceVersion": str(version)}
    if initial_end:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    empty: JsonObject = {"columnDefinitions": None, "rows": []}
    return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta, **empty}


def _table(
    resource: Resource, items: Iterable[Stored], now_s: float, include: str, with_head: bool
) -> JsonObject:
    columns, cells = columns_of(resource)
    rows = [
        {"cells": cells(each.obj, now_s), "object": _included(resource, each.obj, include)}
        for each in items
    ]
    definitions = [
        {"name": name, "type": kind, "format": form, "description": "", "priority": priority}
        for name, kind, form, priority in columns
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": definitions if with_head else None,
        "rows": rows,
    }


def _included(resource: Resource, obj: JsonObject, include: str) -> JsonObject | None:
    match include:
        case "None":
            return None
        case "Object":
            return {"kind": resource.kind, "apiVersion": resource.api_version, **obj}
        case _:
            return {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": obj["metadata"],
            }
