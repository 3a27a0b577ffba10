"""The rules for metadata that all kinds share."""

from typing import Any

from runbus.localcluster.rules.causes import Causes
from runbus.localcluster.rules.names import (
    check_dns_label,
    check_dns_subdomain,
    check_label_value,
    check_qualified_name,
)
from runbus.localcluster.rules.resources import NAMESPACES, Resource
from runbus.localcluster.rules.shapes import Meta

JsonObject = dict[str, Any]
_MAX_ANNOTATIONS_BYTES = 256 * 1024
_GENERATED = 5
_MAX_BASE = 63 - _GENERATED
# what only the server sets
_SERVER_FIELDS = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
)


def born(
    meta: JsonObject, resource: Resource, namespace: str, uid: str, now: str, suffix: str
) -> JsonObject:
    """Metadata of a new object: server fields set, name generated from ``suffix`` if asked for."""
    mine = {key: value for key, value in meta.items() if key not in _SERVER_FIELDS and value}
    name = mine.pop("name", "")
    base = mine.get("generateName")
    if not name and base:
        name = f"{base[:_MAX_BASE]}{suffix}"
    head: JsonObject = {"name": name}
    if base:
        head["generateName"] = base
    if resource.namespaced:
        head["namespace"] = namespace
    head["uid"] = uid
    head["resourceVersion"] = ""
    if resource.generation:
        head["generation"] = 1
    head["creationTimestamp"] = now
    return {**head, **{key: value for key, value in mine.items() if key not in head}}


def kept(old: JsonObject, new: JsonObject) -> JsonObject:
    """Metadata of an update: what the server owns comes from the stored object."""
    mine = {
        key: value
        for key, value in new.items()
        if key not in _SERVER_FIELDS and value not in ({}, [], None, "")
    }
    owned = {key: old[key] for key in _SERVER_FIELDS if key in old}
    head: JsonObject = {
        key: old[key] for key in ("name", "generateName", "namespace") if key in old
    }
    return {**head, **owned, **{key: value for key, value in mine.items() if key not in head}}


def validate_metadata(meta: Meta, resource: Resource, causes: Causes) -> None:
    """Check name, labels and annotations, in the order a kube-apiserver reports them."""
    if not meta.name:
        causes.required("metadata.name", "name or generateName is required")
    else:
        check = check_dns_label if resource is NAMESPACES else check_dns_subdomain
        causes.check("metadata.name", meta.name, check(meta.name))
    for key, value in (meta.labels or {}).items():
        causes.check("metadata.labels", key, check_qualified_name(key))
        causes.check("metadata.labels", value, check_label_value(value))
    annotations = meta.annotations or {}
    for key in annotations:
        causes.check("metadata.annotations", key, check_qualified_name(key.lower()))
    size = sum(len(key) + len(value) for key, value in annotations.items())
    if size > _MAX_ANNOTATIONS_BYTES:
        why = f"Too long: may not be more than {_MAX_ANNOTATIONS_BYTES} bytes"
        causes.invalid("metadata.annotations", "", why)
