"""What may not change in a stored object of the smaller kinds; for pods see ``pod_updates.py``."""

from typing import Any

import msgspec

from runbus.localcluster.rules.causes import Causes
from runbus.localcluster.rules.resources import (
    CLAIMS,
    CONFIG_MAPS,
    PRIORITY_CLASSES,
    SECRETS,
    Resource,
)

JsonObject = dict[str, Any]
_FROZEN = "field is immutable when `immutable` is set"
_CLAIM = "spec is immutable after creation except resources.requests for bound claims"


def validate_change(resource: Resource, old: JsonObject, new: JsonObject, causes: Causes) -> None:
    """Compare two versions of an object of the kinds above; every other kind may change."""
    if resource is CONFIG_MAPS:
        _validate_frozen(old, new, ("data", "binaryData"), causes)
    elif resource is SECRETS:
        if new.get("type") != old.get("type"):
            causes.invalid("type", new.get("type"), "field is immutable")
        _validate_frozen(old, new, ("data",), causes)
    elif resource is PRIORITY_CLASSES:
        if (new.get("value") or 0) != (old.get("value") or 0):
            causes.forbidden("Value", "may not be changed in an update.")
        if new.get("preemptionPolicy") != old.get("preemptionPolicy"):
            causes.invalid("preemptionPolicy", new.get("preemptionPolicy"), "field is immutable")
    elif resource is CLAIMS and _fixed(old) != _fixed(new):
        causes.forbidden("spec", _CLAIM)


def _validate_frozen(
    old: JsonObject, new: JsonObject, fields: tuple[str, ...], causes: Causes
) -> None:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        causes.forbidden("immutable", _FROZEN)
    for field in fields:
        if (new.get(field) or {}) != (old.get(field) or {}):
            causes.forbidden(field, _FROZEN)


def _fixed(claim: JsonObject) -> bytes:
    spec = {key: value for key, value in (claim.get("spec") or {}).items() if key != "volumeName"}
    resources = {k: v for k, v in (spec.get("resources") or {}).items() if k != "requests"}
    return msgspec.json.encode({**spec, "resources": resources}, order="deterministic")
