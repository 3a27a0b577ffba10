"""Decodes the few kinds that kubectl sends as protobuf (``create`` by flags, ``drain``). Pure.

Field numbers are those of k8s.io/api's generated.proto. Types that are not in ``types.json`` as
they are on the wire have a word after their name. Whoever sends other kinds is asked for JSON.
"""

import base64
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from runbus.localcluster.schema.types import Field, Types

JsonObject = dict[str, Any]
_MAGIC = b"k8s\x00"
_MAX_DEPTH = 16

_NUMBERS: Mapping[str, Mapping[int, str]] = {
    "ObjectMeta": {
        1: "name",
        2: "generateName",
        3: "namespace",
        5: "uid",
        6: "resourceVersion",
        7: "generation",
        8: "creationTimestamp",
        9: "deletionTimestamp",
        10: "deletionGracePeriodSeconds",
        11: "labels",
        12: "annotations",
        13: "ownerReferences",
        14: "finalizers",
    },
    "OwnerReference": {
        1: "kind",
        3: "name",
        4: "uid",
        5: "apiVersion",
        6: "controller",
        7: "blockOwnerDeletion",
    },
    "Namespace": {1: "metadata", 2: "spec", 3: "status"},
    "NamespaceSpec": {1: "finalizers"},
    "NamespaceStatus": {1: "phase"},
    "ConfigMap": {1: "metadata", 2: "data", 3: "binaryData bytes", 4: "immutable"},
    "Secret": {1: "metadata", 2: "data bytes", 3: "type", 4: "stringData", 5: "immutable"},
    "ServiceAccount": {
        1: "metadata",
        2: "secrets",
        3: "imagePullSecrets",
        4: "automountServiceAccountToken",
    },
    "ObjectReference": {
        1: "kind",
        2: "namespace",
        3: "name",
        4: "uid",
        5: "apiVersion",
        6: "resourceVersion",
        7: "fieldPath",
    },
    "LocalObjectReference": {1: "name"},
    "PriorityClass": {
        1: "metadata",
        2: "value",
        3: "globalDefault",
        4: "description",
        5: "preemptionPolicy",
    },
    "ResourceQuota": {1: "metadata", 2: "spec", 3: "status"},
    "ResourceQuotaSpec": {1: "hard quantity", 2: "scopes"},
    "ResourceQuotaStatus": {1: "hard quantity", 2: "used quantity"},
    "Eviction": {1: "metadata", 2: "deleteOptions"},
    "DeleteOptions": {
        1: "gracePeriodSeconds",
        2: "preconditions",
        3: "orphanDependents",
        4: "propagationPolicy",
        5: "dryRun",
    },
    "Preconditions": {1: "uid", 2: "resourceVersion"},
    "SelfSubjectAccessReview": {1: "metadata", 2: "spec"},
    "SelfSubjectAccessReviewSpec": {1: "resourceAttributes", 2: "nonResourceAttributes"},
    "ResourceAttributes": {
        1: "namespace",
        2: "verb",
        3: "group",
        4: "version",
        5: "resource",
        6: "subresource",
        7: "name",
    },
    "NonResourceAttributes": {1: "path", 2: "verb"},
    "SelfSubjectRulesReview": {1: "metadata", 2: "spec"},
    "SelfSubjectRulesReviewSpec": {1: "namespace"},
    "SelfSubjectReview": {1: "metadata"},
}
_EXTRA: Mapping[str, Mapping[str, Field]] = {
    "SelfSubjectRulesReview": {
        "metadata": Field("ObjectMeta"),
        "spec": Field("SelfSubjectRulesReviewSpec"),
    },
    "SelfSubjectRulesReviewSpec": {"namespace": Field("string")},
    "SelfSubjectReview": {"metadata": Field("ObjectMeta")},
}


class ProtobufError(Exception):
    """The body is no protobuf of a kind that is known here; the message says which are."""


def decode(raw: bytes, types: Types) -> JsonObject:
    """The object in Kubernetes' envelope (runtime.Unknown) as JSON would have it."""
    if not raw.startswith(_MAGIC):
        raise ProtobufError("the body has no protobuf envelope of Kubernetes")
    kind = version = ""
    content = b""
    for number, value in _fields(raw[len(_MAGIC) :]):
        if number == 1:
            named = {each: _text(text) for each, text in _fields(_sized(value))}
            version, kind = named.get(1, ""), named.get(2, "")
        elif number == 2:
            content = _sized(value)
    if kind not in _NUMBERS:
        known = ", ".join(each for each in _NUMBERS if "metadata" in _NUMBERS[each].values())
        raise ProtobufError(f"{kind or 'this'} is not read from protobuf: send JSON ({known} are)")
    return {"kind": kind, "apiVersion": version, **_message(kind, content, types, 0)}


def _message(name: str, raw: bytes, types: Types, depth: int) -> JsonObject:
    if depth > _MAX_DEPTH:
        raise ProtobufError("the message is nested too deep")
    numbers = _NUMBERS.get(name, {})
    fields = types.get(name) or _EXTRA[name]
    found: JsonObject = {}
    for number, value in _fields(raw):
        key, _, wire = numbers.get(number, "").partition(" ")
        if not key:
            continue
        field = fields[key]
        if field.is_map:
            entry = dict(_fields(_sized(value)))
            item = _value(wire or field.type, entry.get(2, b""), types, depth)
            found.setdefault(key, {})[_text(entry.get(1, b""))] = item
        elif field.is_list:
            found.setdefault(key, []).append(_value(wire or field.type, value, types, depth))
        else:
            item = _value(wire or field.type, value, types, depth)
            if item not in ("", None):  # Go writes them where JSON leaves them out
                found[key] = item
    return found


def _value(kind: str, value: int | bytes, types: Types, depth: int) -> Any:
    match kind:
        case "string":
            return _text(value)
        case "bytes":
            return base64.b64encode(_sized(value)).decode()
        case "quantity":
            return _text(dict(_fields(_sized(value))).get(1, b""))
        case "boolean":
            return bool(value)
        case "integer":
            return _signed(value)
        case "time":
            seconds = _signed(dict(_fields(_sized(value))).get(1, 0))
            moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else None
        case _:
            return _message(kind, _sized(value), types, depth + 1)


def _fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        match tag & 7:
            case 0:
                value, at = _varint(raw, at)
                yield tag >> 3, value
                continue
            case 1:
                size = 8
            case 2:
                size, at = _varint(raw, at)
            case 5:
                size = 4
            case other:
                raise ProtobufError(f"unknown wire type {other}")
        if at + size > len(raw):
            raise ProtobufError("the message is cut off")
        yield tag >> 3, raw[at : at + size]
        at += size


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(raw) and shift < 64:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ProtobufError("the message is cut off")


def _sized(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ProtobufError("a number where text or a message belongs")
    return value


def _text(value: int | bytes) -> str:
    try:
        return _sized(value).decode()
    except UnicodeDecodeError as error:
        raise ProtobufError("text that is not UTF-8") from error


def _signed(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ProtobufError("text where a number belongs")
    return value - (1 << 64) if value >= 1 << 63 else value
