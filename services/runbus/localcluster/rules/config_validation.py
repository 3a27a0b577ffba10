"""What makes the smaller kinds invalid (422): config maps, secrets, priority classes, quotas."""

import base64
import binascii
from typing import Any

from runbus.localcluster.rules.causes import Causes
from runbus.localcluster.rules.names import check_config_key
from runbus.localcluster.rules.quantities import parse_quantity
from runbus.localcluster.rules.resources import (
    CONFIG_MAPS,
    EVENTS,
    PRIORITY_CLASSES,
    QUOTAS,
    SECRETS,
    Resource,
)

JsonObject = dict[str, Any]
_MAX_CONFIG_BYTES = 1024 * 1024
_MAX_PRIORITY = 1_000_000_000
_SYSTEM = "system-"


def validate_config(resource: Resource, obj: JsonObject, causes: Causes) -> None:
    """Check the kinds named above; every other kind is fine as it is."""
    if resource is CONFIG_MAPS:
        _validate_config_map(obj, causes)
    elif resource is SECRETS:
        _validate_secret(obj, causes)
    elif resource is PRIORITY_CLASSES:
        _validate_priority_class(obj, causes)
    elif resource is QUOTAS:
        _validate_quota(obj, causes)
    elif resource is EVENTS:
        _validate_event(obj, causes)


def _validate_config_map(obj: JsonObject, causes: Causes) -> None:
    total = 0
    for block in ("data", "binaryData"):
        for key, value in (obj.get(block) or {}).items():
            causes.check(f"{block}[{key}]", key, check_config_key(key))
            total += len(value.encode())
    if total > _MAX_CONFIG_BYTES:
        causes.invalid("", "", f"Too long: may not be more than {_MAX_CONFIG_BYTES} bytes")


def _validate_secret(obj: JsonObject, causes: Causes) -> None:
    total = 0
    for key, value in (obj.get("data") or {}).items():
        causes.check(f"data[{key}]", key, check_config_key(key))
        try:
            total += len(base64.b64decode(str(value), validate=True))
        except binascii.Error:
            causes.invalid(f"data[{key}]", "", "illegal base64 data")
    if total > _MAX_CONFIG_BYTES:
        causes.invalid("data", "", f"Too long: may not be more than {_MAX_CONFIG_BYTES} bytes")


def _validate_priority_class(obj: JsonObject, causes: Causes) -> None:
    name, value = obj["metadata"]["name"], obj.get("value", 0)
    if not name.startswith(_SYSTEM) and value > _MAX_PRIORITY:
        causes.forbidden(
            "value", f"maximum allowed value of a user defined priority is {_MAX_PRIORITY}"
        )
    policy = obj.get("preemptionPolicy")
    if policy not in {"PreemptLowerPriority", "Never"}:
        causes.unsupported("preemptionPolicy", policy, ("PreemptLowerPriority", "Never"))


def _validate_quota(obj: JsonObject, causes: Causes) -> None:
    for name, text in ((obj.get("spec") or {}).get("hard") or {}).items():
        try:
            if parse_quantity(str(text)) < 0:
                why = "must be greater than or equal to 0"
                causes.invalid(f"spec.hard[{name}]", str(text), why)
        except ValueError as error:
            causes.invalid(f"spec.hard[{name}]", text, str(error))


def _validate_event(obj: JsonObject, causes: Causes) -> None:
    involved = obj.get("involvedObject") or {}
    namespace = obj["metadata"].get("namespace")
    if (involved.get("namespace") or "default") != namespace:
        why = "does not match event.namespace"
        causes.invalid("involvedObject.namespace", involved.get("namespace", ""), why)
