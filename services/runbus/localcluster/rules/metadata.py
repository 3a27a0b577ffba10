"""The rules for metadata that all kinds share."""

import datetime as dt
from typing import Any

import msgspec

from runbus.localcluster.rules.causes import Causes, quoted
from runbus.localcluster.rules.names import (
    check_dns_label,
    check_dns_subdomain,
    check_label_value,
    check_qualified_name,
)
from runbus.localcluster.rules.resources import NAMESPACES, Resource
from runbus.localcluster.rules.shapes import Meta, OwnerReference

JsonObject = dict[str, Any]
_MAX_ANNOTATIONS_BYTES = 256 * 1024
_GENERATED = 5
_MAX_BASE = 63 - _GENERATED
_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
_IMMUTABLE = "field is immutable"
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
    _validate_owners(meta.owner_references or [], causes)
    _validate_finalizers(meta.finalizers or [], causes)


def _validate_owners(owners: list[OwnerReference], causes: Causes) -> None:
    where = "metadata.ownerReferences"
    controllers = [each.name for each in owners if each.controller]
    for each in owners:
        named = (
            ("apiVersion", "version", each.api_version),
            ("kind", "kind", each.kind),
            ("name", "name", each.name),
            ("uid", "uid", each.uid),
        )
        for field, word, value in named:
            if not value:
                causes.invalid(f"{where}.{field}", value, f"{word} must not be empty")
    if len(controllers) > 1:
        why = (
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{controllers[0]} and {controllers[1]}"
        )
        causes.invalid(where, msgspec.to_builtins(owners), why)


def _validate_finalizers(finalizers: list[str], causes: Causes) -> None:
    where = "metadata.finalizers"
    for each in finalizers:
        causes.check(where, each, check_qualified_name(each))
    for i, each in enumerate(finalizers):
        if "/" not in each and each not in _FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            causes.invalid(f"{where}[{i}]", each, why)


def validate_metadata_update(old: JsonObject, given: JsonObject, causes: Causes) -> None:
    """Check what a client sends against what only the server sets; absent is as stored."""
    uid, deleted = given.get("uid"), given.get("deletionTimestamp")
    grace_s, stored_s = (each.get("deletionGracePeriodSeconds") for each in (given, old))
    if grace_s is not None and grace_s != stored_s:
        causes.invalid("metadata.deletionGracePeriodSeconds", grace_s, _IMMUTABLE)
    if uid and uid != old["uid"]:
        causes.invalid("metadata.uid", uid, _IMMUTABLE)
    if "deletionTimestamp" not in old:
        if deleted:
            moment = dt.datetime.fromisoformat(str(deleted)).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
            causes.invalid_bare("metadata.deletionTimestamp", moment, _IMMUTABLE)
        return
    stored = old.get("finalizers") or []
    added = sorted(each for each in given.get("finalizers") or [] if each not in stored)
    if added:
        shown = ", ".join(quoted(each) for each in added)
        why = (
            "no new finalizers can be added if the object is being deleted, found new finalizers "
            f"[]string{{{shown}}}"
        )
        causes.forbidden("metadata.finalizers", why)
