"""Lists as tables (meta.k8s.io/v1 Table), which kubectl prints. Pure; time comes in."""

from collections.abc import Callable
from typing import Any

from runbus.localcluster.rules.resources import EVENTS, NAMESPACES, NODES, PODS, Resource
from runbus.localcluster.rules.timestamps import from_time
from runbus.localcluster.store.pages import Page

JsonObject = dict[str, Any]
Column = tuple[str, str, str, int]
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_AGE: Column = ("Age", "string", "", 0)
_NAME: Column = ("Name", "string", "name", 0)


def wants_table(accept: str) -> bool:
    """Whether an Accept header prefers a Table."""
    return accept.startswith("application/json") and "as=Table" in accept.partition(",")[0]


def as_table(resource: Resource, page: Page, now_s: float) -> JsonObject:
    """The Table of one page; kinds without columns of their own show name and age."""
    columns, cells = _KINDS.get(resource, ((_NAME, _AGE), _plain))
    rows = [
        {
            "cells": cells(each.obj, now_s),
            "object": {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": each.obj["metadata"],
            },
        }
        for each in page.items
    ]
    meta: JsonObject = {"resourceVersion": str(page.version)}
    if page.token:
        meta["continue"] = page.token
        if page.remaining is not None:
            meta["remainingItemCount"] = page.remaining
    definitions = [
        {"name": name, "type": kind, "format": form, "description": "", "priority": priority}
        for name, kind, form, priority in columns
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": definitions,
        "rows": rows,
    }


def duration(seconds: float) -> str:
    """An age the way kubectl writes it: 45s, 3m, 5h, 2d."""
    whole = max(int(seconds), 0)
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    if whole < 2 * _HOUR:
        return f"{whole // _MINUTE}m"
    if whole < 2 * _DAY:
        return f"{whole // _HOUR}h"
    return f"{whole // _DAY}d"


def _age(obj: JsonObject, now_s: float) -> str:
    return duration(now_s - from_time(obj["metadata"]["creationTimestamp"]))


def _plain(obj: JsonObject, now_s: float) -> list[Any]:
    return [obj["metadata"]["name"], _age(obj, now_s)]


def pod_reason(pod: JsonObject) -> str:
    """What kubectl shows as the status of a pod (printers.go, printPod)."""
    status: JsonObject = pod.get("status") or {}
    reason = str(status.get("reason") or status.get("phase") or "")
    conditions = {each.get("type"): each for each in status.get("conditions") or []}
    if (conditions.get("PodScheduled") or {}).get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    inits = status.get("initContainerStatuses") or []
    for i, each in enumerate(inits):
        state = each.get("state") or {}
        terminated, waiting = state.get("terminated"), state.get("waiting")
        if terminated and terminated.get("exitCode") == 0:
            continue
        if terminated:
            reason = f"Init:{terminated.get('reason') or terminated.get('exitCode')}"
        elif waiting and waiting.get("reason") not in {None, "", "PodInitializing"}:
            reason = f"Init:{waiting['reason']}"
        else:
            reason = f"Init:{i}/{len(inits)}"
        break
    else:
        for each in reversed(status.get("containerStatuses") or []):
            state = each.get("state") or {}
            shown = (state.get("waiting") or state.get("terminated") or {}).get("reason")
            reason = shown or reason
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return reason


def _pod(pod: JsonObject, now_s: float) -> list[Any]:
    status: JsonObject = pod.get("status") or {}
    statuses = status.get("containerStatuses") or []
    ready = sum(bool(each.get("ready")) for each in statuses)
    restarts = sum(int(each.get("restartCount") or 0) for each in statuses)
    return [
        pod["metadata"]["name"],
        f"{ready}/{len(pod['spec']['containers'])}",
        pod_reason(pod),
        restarts,
        _age(pod, now_s),
        status.get("podIP") or "<none>",
        pod["spec"].get("nodeName") or "<none>",
        "<none>",
        "<none>",
    ]


def _node(node: JsonObject, now_s: float) -> list[Any]:
    status: JsonObject = node.get("status") or {}
    conditions = {each.get("type"): each for each in status.get("conditions") or []}
    ready = (conditions.get("Ready") or {}).get("status")
    shown = {"True": "Ready", None: "Unknown"}.get(ready, "NotReady")
    if (node.get("spec") or {}).get("unschedulable"):
        shown += ",SchedulingDisabled"
    version = (status.get("nodeInfo") or {}).get("kubeletVersion") or ""
    return [node["metadata"]["name"], shown, "<none>", _age(node, now_s), version]


def _namespace(namespace: JsonObject, now_s: float) -> list[Any]:
    phase = (namespace.get("status") or {}).get("phase")
    return [namespace["metadata"]["name"], phase, _age(namespace, now_s)]


def _event(event: JsonObject, now_s: float) -> list[Any]:
    about = event.get("involvedObject") or {}
    seen = event.get("lastTimestamp") or event.get("eventTime")
    try:
        age = duration(now_s - from_time(seen)) if seen else _age(event, now_s)
    except (TypeError, ValueError):  # written by a client, and no time
        age = "<invalid>"
    shown = f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"
    return [age, event.get("type"), event.get("reason"), shown, event.get("message")]


_KINDS: dict[Resource, tuple[tuple[Column, ...], Callable[[JsonObject, float], list[Any]]]] = {
    PODS: (
        (
            _NAME,
            ("Ready", "string", "", 0),
            ("Status", "string", "", 0),
            ("Restarts", "integer", "", 0),
            _AGE,
            ("IP", "string", "", 1),
            ("Node", "string", "", 1),
            ("Nominated Node", "string", "", 1),
            ("Readiness Gates", "string", "", 1),
        ),
        _pod,
    ),
    NODES: (
        (
            _NAME,
            ("Status", "string", "", 0),
            ("Roles", "string", "", 0),
            _AGE,
            ("Version", "string", "", 0),
        ),
        _node,
    ),
    NAMESPACES: ((_NAME, ("Status", "string", "", 0), _AGE), _namespace),
    EVENTS: (
        (
            ("Last Seen", "string", "", 0),
            ("Type", "string", "", 0),
            ("Reason", "string", "", 0),
            ("Object", "string", "", 0),
            ("Message", "string", "", 0),
        ),
        _event,
    ),
}
