"""Binding a pod to a node, and evicting it: the two writes that have their own subresource."""

from typing import Any

from runbus.localcluster.rules.errors import ApiError, bad_request
from runbus.localcluster.rules.names import check_dns_subdomain

JsonObject = dict[str, Any]


def bind(pod: JsonObject, body: Any, now: str) -> JsonObject:
    """The pod with its node and PodScheduled True; 409 where it may not be bound."""
    name = pod["metadata"]["name"]
    target = body.get("target") if isinstance(body, dict) else None
    node = target.get("name") if isinstance(target, dict) else None
    if not isinstance(node, str) or check_dns_subdomain(node):
        raise bad_request("a Binding needs target.name: the name of a node")
    meta = body.get("metadata")
    uid = meta.get("uid") if isinstance(meta, dict) else None
    if uid and uid != pod["metadata"]["uid"]:
        raise _conflict(
            name,
            f"Precondition failed: UID in precondition: {uid}, "
            f"UID in object meta: {pod['metadata']['uid']}",
        )
    if "deletionTimestamp" in pod["metadata"]:
        raise _conflict(name, f"pod {name} is being deleted, cannot be assigned to a host")
    bound = pod["spec"].get("nodeName")
    if bound:
        raise _conflict(name, f'pod {name} is already assigned to node "{bound}"')
    if pod["spec"].get("schedulingGates"):
        raise _conflict(name, f"pod {name} has non-empty .spec.schedulingGates")
    scheduled = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": now,
    }
    return {
        **pod,
        "spec": {**pod["spec"], "nodeName": node},
        "status": with_condition(pod["status"], scheduled),
    }


def disrupted(pod: JsonObject, now: str) -> JsonObject:
    """The pod with the condition that an eviction by the API leaves on it."""
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": now,
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    return {**pod, "status": with_condition(pod["status"], condition)}


def with_condition(status: JsonObject, condition: JsonObject) -> JsonObject:
    """A status in which the condition of that type is replaced, or added at the end."""
    conditions = list(status.get("conditions") or [])
    for i, each in enumerate(conditions):
        if each.get("type") == condition["type"]:
            conditions[i] = condition
            break
    else:
        conditions.append(condition)
    return {**status, "conditions": conditions}


def _conflict(name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on pods/binding "{name}": {why}'
    return ApiError(409, "Conflict", message, {"name": name, "kind": "pods/binding"})
