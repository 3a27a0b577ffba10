"""Creating and updating: what becomes of an object that a client sends.

Gives the object to store (without kind and apiVersion, as the store keeps it) or raises
``ApiError``. Time, uid and the random suffix come in.
"""

from typing import Any

import msgspec

from runbus.localcluster.rules import metadata
from runbus.localcluster.rules.causes import Causes, quoted
from runbus.localcluster.rules.config_validation import validate_config
from runbus.localcluster.rules.defaults import (
    new_pod_status,
    with_default_tolerations,
    with_defaults,
    with_status_defaults,
)
from runbus.localcluster.rules.errors import (
    ApiError,
    bad_patch,
    bad_request,
    conflict,
    invalid,
    modified,
)
from runbus.localcluster.rules.immutable import validate_change
from runbus.localcluster.rules.pod_updates import validate_pod_update, validate_status_update
from runbus.localcluster.rules.pod_validation import validate_pod_spec
from runbus.localcluster.rules.quantities import parse_quantity
from runbus.localcluster.rules.resources import NAMESPACES, NODES, PODS, Resource
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
    causes = Causes()
    validate_object(resource, new, causes)
    _raise(causes, resource, new["metadata"]["name"])
    return new


def _rest(obj: JsonObject) -> JsonObject:
    return {key: value for key, value in obj.items() if key != "metadata"}


def _with_not_ready(spec: JsonObject) -> JsonObject:
    taints = list(spec.get("taints") or [])
    if any(each.get("key") == _NOT_READY["key"] for each in taints):
        return spec
    return {**spec, "taints": [*taints, dict(_NOT_READY)]}


def validate_object(resource: Resource, obj: JsonObject, causes: Causes) -> None:
    """Collect every rule that an object breaks."""
    read = typed(resource, obj)
    metadata.validate_metadata(read.metadata, resource, causes)
    if isinstance(read, Pod):
        validate_pod_spec(read, obj, causes)
    else:
        validate_config(resource, obj, causes)


def prepare_update(
    resource: Resource, old: JsonObject, body: Any, subresource: str = "", patched: bool = False
) -> JsonObject:
    """The object an update leads to; ``old`` itself where nothing changes.

    A write to the main resource leaves status alone, a write to /status everything else but
    labels and annotations of metadata, as the strategies of a kube-apiserver do. ``patched``: the
    body is what a patch made of the stored object.
    """
    obj = _readable(resource, body, patched)
    given = obj.get("metadata") or {}
    _check_identity(resource, old, given, patched)
    new = {key: value for key, value in obj.items() if key not in {"kind", "apiVersion"}}
    meta = metadata.kept(old["metadata"], given)
    if subresource == "status":
        if resource is PODS and "ownerReferences" in old["metadata"]:
            meta["ownerReferences"] = old["metadata"]["ownerReferences"]
        new = {**old, "metadata": meta, "status": new.get("status") or {}}
        new = with_status_defaults(resource, new)
    else:
        new = _completed(resource, old, {"metadata": meta, **_rest(new)}, subresource)
    causes = Causes()
    metadata.validate_metadata_update(old["metadata"], given, causes)
    if new != old:
        _validate_update(resource, old, new, subresource, causes)
    _raise(causes, resource, meta["name"])
    return old if new == old else new


def _readable(resource: Resource, body: Any, patched: bool) -> JsonObject:
    """The body as an object of its kind; 400, or 422 where a patch led to it."""
    try:
        obj = check_kind(resource, body)
        typed(resource, obj)
    except ApiError as error:
        if not patched:
            raise
        raise bad_patch(quoted(msgspec.json.encode(body).decode()), error.message) from error
    return obj


def _completed(
    resource: Resource, old: JsonObject, new: JsonObject, subresource: str
) -> JsonObject:
    """The object with defaults, and with what only subresources write as it was."""
    given = new
    if resource.has_status:
        new = {key: value for key, value in new.items() if key != "status"}
        if "status" in old:
            new["status"] = old["status"]
    new = with_defaults(resource, new)
    if resource is PODS:
        new["spec"] = with_default_tolerations(new["spec"])
    if resource is NAMESPACES:
        said = given.get("spec") if subresource == "finalize" else old.get("spec")
        new["spec"] = {**new["spec"], "finalizers": (said or {}).get("finalizers") or []}
    return new


def _validate_update(
    resource: Resource, old: JsonObject, new: JsonObject, subresource: str, causes: Causes
) -> None:
    if subresource == "status":
        if resource is PODS:
            validate_status_update(old, new, causes)
        return
    validate_object(resource, new, causes)
    if resource is PODS:
        validate_pod_update(old["spec"], new["spec"], causes)
    else:
        validate_change(resource, old, new, causes)


def _check_identity(resource: Resource, old: JsonObject, meta: JsonObject, patched: bool) -> None:
    stored = old["metadata"]
    name, namespace = stored["name"], stored.get("namespace")
    if not meta.get("name"):
        raise bad_request(
            f"the name of the object ({name} based on URL) was undeterminable: "
            "name must be provided"
        )
    if meta["name"] != name:
        raise misnamed(meta["name"], name)
    if (meta.get("namespace") or namespace) != namespace:
        raise bad_request(
            f"the namespace of the object ({meta['namespace']}) does not match the namespace on "
            f"the request ({namespace})"
        )
    uid = meta.get("uid")
    if uid and uid != stored["uid"] and not patched:
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
        _raise(causes, resource, name)


def misnamed(name: str, wanted: str) -> ApiError:
    """400: the object says another name than the path."""
    return bad_request(
        f"the name of the object ({name}) does not match the name on the URL ({wanted})"
    )


def _raise(causes: Causes, resource: Resource, name: str) -> None:
    if causes.found:
        raise invalid(resource.kind, resource.group, name, causes.found)
