"""Creating and updating: what becomes of an object that a client sends.

Gives the object to store (without kind and apiVersion, as the store keeps it) or raises
``ApiError``. Time, uid and the random suffix come in.
"""

from typing import Any

import msgspec

from runbus.localcluster.rules import metadata
from runbus.localcluster.rules.causes import Causes
from runbus.localcluster.rules.config_validation import validate_config
from runbus.localcluster.rules.defaults import (
    new_pod_status,
    with_default_tolerations,
    with_defaults,
)
from runbus.localcluster.rules.errors import (
    bad_request,
    conflict,
    invalid,
    modified,
)
from runbus.localcluster.rules.pod_updates import validate_pod_update, validate_status_update
from runbus.localcluster.rules.pod_validation import validate_pod_spec
from runbus.localcluster.rules.quantities import parse_quantity
from runbus.localcluster.rules.resources import NODES, PODS, Resource
from runbus.localcluster.rules.shapes import Node, Pod, Quantities, Shape
from runbus.localcluster.rules.small_shapes import (
    ConfigMap,
    Event,
    Namespace,
    Plain,
    PriorityClass,
    ResourceQuota,
    Secret,
)

JsonObject = dict[str, Any]
_SHAPES: dict[str, type[Shape]] = {
    each.__name__: each
    for each in (
        ConfigMap,
        Event,
        Namespace,
        Node,
        Pod,
        PriorityClass,
        ResourceQuota,
        Secret,
    )
}
_NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def typed(resource: Resource, obj: JsonObject) -> Any:
    """Convert to the kind's Struct; 400 in Kubernetes' words where a field has a wrong type."""
    shape = _SHAPES.get(resource.kind, Plain)
    try:
        read = msgspec.convert(obj, shape)
        _check_quantities(read)
    except (msgspec.ValidationError, ValueError) as error:
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a '
            f"{resource.kind}: {error}"
        ) from error
    return read


def _check_quantities(read: Shape) -> None:
    blocks: list[Quantities | None] = []
    if isinstance(read, Pod):
        blocks.append(read.spec.overhead)
        for container in [*(read.spec.init_containers or []), *(read.spec.containers or [])]:
            if container.resources is not None:
                blocks += [container.resources.requests, container.resources.limits]
    elif isinstance(read, Node):
        blocks += [read.status.capacity, read.status.allocatable]
    for block in blocks:
        for text in (block or {}).values():
            parse_quantity(str(text))


def check_kind(resource: Resource, obj: Any) -> JsonObject:
    """Refuse a body that is no object or of another kind; gives the object."""
    if not isinstance(obj, dict):
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): "
            "couldn't get version/kind; json parse error: json: cannot unmarshal "
            f"{_go_type(obj)} into Go value of type struct"
        )
    kind = obj.get("kind") or resource.kind
    version = obj.get("apiVersion") or resource.api_version
    if kind != resource.kind or version != resource.api_version:
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): "
            f'got kind "{kind}" in version "{version}"'
        )
    if not isinstance(obj.get("metadata") or {}, dict):
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: metadata')
    return obj


def _go_type(value: object) -> str:
    match value:
        case str():
            return "string"
        case list():
            return "array"
        case bool():
            return "bool"
        case None:
            return "null"
        case _:
            return "number"


def prepare_create(
    resource: Resource, body: Any, namespace: str, uid: str, now: str, suffix: str
) -> JsonObject:
    """Check and complete a new object. Admission (quota, priority) comes after."""
    obj = check_kind(resource, body)
    meta = obj.get("metadata") or {}
    given = meta.get("namespace")
    if resource.namespaced and given and given != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if meta.get("resourceVersion"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    typed(resource, obj)
    new = {key: value for key, value in obj.items() if key not in {"kind", "apiVersion"}}
    new = {"metadata": metadata.born(meta, resource, namespace, uid, now, suffix), **_rest(new)}
    if resource.has_status and resource is not NODES:
        new.pop("status", None)
    new = with_defaults(resource, new)
    if resource is PODS:
        new["spec"] = with_default_tolerations(new["spec"])
        new["status"] = new_pod_status(new, now)
    if resource is NODES:
        new["spec"] = _with_not_ready(new["spec"])
    validate(resource, new)
    return new


def _rest(obj: JsonObject) -> JsonObject:
    return {key: value for key, value in obj.items() if key != "metadata"}


def _with_not_ready(spec: JsonObject) -> JsonObject:
    taints = list(spec.get("taints") or [])
    if any(each.get("key") == _NOT_READY["key"] for each in taints):
        return spec
    return {**spec, "taints": [*taints, dict(_NOT_READY)]}


def validate(resource: Resource, obj: JsonObject) -> None:
    """Raise 422 with every cause where the object breaks a rule."""
    causes = Causes()
    read = typed(resource, obj)
    metadata.validate_metadata(read.metadata, resource, causes)
    if isinstance(read, Pod):
        validate_pod_spec(read, obj, causes)
    else:
        validate_config(resource, obj, causes)
    if causes.found:
        raise invalid(resource.kind, resource.group, read.metadata.name, causes.found)


def prepare_update(
    resource: Resource, old: JsonObject, body: Any, subresource: str = ""
) -> JsonObject:
    """The object an update leads to; ``old`` itself where nothing changes.

    A write to the main resource leaves status alone, a write to /status everything else but
    labels and annotations of metadata, as the strategies of a kube-apiserver do.
    """
    obj = check_kind(resource, body)
    typed(resource, obj)
    _check_identity(resource, old, obj.get("metadata") or {})
    new = {key: value for key, value in obj.items() if key not in {"kind", "apiVersion"}}
    meta = metadata.kept(old["metadata"], new.get("metadata") or {})
    if subresource == "status":
        new = {**old, "metadata": meta, "status": new.get("status") or {}}
        new = _normalised_status(resource, new)
    else:
        new = {"metadata": meta, **_rest(new)}
        if resource.has_status:
            new.pop("status", None)
            if "status" in old:
                new["status"] = old["status"]
        new = with_defaults(resource, new)
    if new == old:
        return old
    if subresource == "status":
        if resource is PODS:
            causes = Causes()
            validate_status_update(old, new, causes)
            _raise(causes, new)
    else:
        validate(resource, new)
        if resource is PODS:
            causes = Causes()
            validate_pod_update(old["spec"], new["spec"], causes)
            _raise(causes, new)
        if resource.generation and _rest(new) != _rest(old):
            new["metadata"] = {**meta, "generation": old["metadata"].get("generation", 0) + 1}
    return new


def _check_identity(resource: Resource, old: JsonObject, meta: JsonObject) -> None:
    stored = old["metadata"]
    name = stored["name"]
    if (meta.get("name") or name) != name:
        raise bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
        )
    if (meta.get("namespace") or stored.get("namespace")) != stored.get("namespace"):
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    uid = meta.get("uid")
    if uid and uid != stored["uid"]:
        why = (
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: {stored['uid']}"
        )
        raise conflict(resource, name, why)
    version = meta.get("resourceVersion")
    if version and version != stored["resourceVersion"]:
        raise modified(resource, name)
    if not version and resource.must_version:
        causes = Causes()
        causes.invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid(resource.kind, resource.group, name, causes.found)


def _raise(causes: Causes, pod: JsonObject) -> None:
    if causes.found:
        raise invalid("Pod", "", pod["metadata"]["name"], causes.found)


_STATUS_LISTS = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")


def _normalised_status(resource: Resource, obj: JsonObject) -> JsonObject:
    if resource is not PODS:
        return obj
    status = obj["status"]
    for key in _STATUS_LISTS:
        if isinstance(status.get(key), list):
            filled = [
                {"lastState": {}, **each} if isinstance(each, dict) else each
                for each in status[key]
            ]
            status = {**status, key: filled}
    if isinstance(status.get("conditions"), list):
        filled = [
            {"lastProbeTime": None, **each} if isinstance(each, dict) else each
            for each in status["conditions"]
        ]
        status = {**status, "conditions": filled}
    if "qosClass" not in status and "qosClass" in (obj.get("status") or {}):
        status = {**status, "qosClass": obj["status"]["qosClass"]}
    return {**obj, "status": status}
