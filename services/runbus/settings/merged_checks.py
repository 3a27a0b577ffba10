"""What only the settings in force can show: values of different settings, or of different levels.

Each check gives violations whose paths point into the run's document as if everything had been
written there; where a value comes from the operator, the hint says so. The settings have gone
through the contracts' check of structure, level by level, and stand in its normal form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from runbus.contracts.document import PreemptionMode
from runbus.contracts.document_findings import did_you_mean
from runbus.contracts.document_rules import mount_place
from runbus.contracts.names import is_extended_resource
from runbus.contracts.quantities import parse_quantity
from runbus.contracts.violations import Violation, ViolationCode, pointer, shortened
from runbus.settings.model import Level

Settings = Mapping[str, Any]

GPU_COUNT_PATH = "/resources/gpus/count"
_PREEMPTION_PATH = "/preemption_mode"
_PRIORITY_PATH = "/priority_class"


class InForce(Struct, frozen=True, kw_only=True):
    """The settings in force, where each came from, and what they are checked against.

    `priority_classes` is None where neither the operator nor a cluster says which there are; else
    they stand highest first. `volume_positions` says where a volume stands in the document.
    """

    settings: Settings
    origins: Mapping[str, Level]
    priority_classes: Sequence[str] | None = None
    volume_positions: Mapping[str, int] = {}


def volume_positions(raw: object) -> dict[str, int]:
    """Return where each volume stands in the list of a document as it was given, by name."""
    volumes = raw.get("volumes") if isinstance(raw, dict) else None
    if not isinstance(volumes, list | tuple):
        return {}
    names = (each.get("name") if isinstance(each, dict) else None for each in volumes)
    return {name: position for position, name in enumerate(names) if isinstance(name, str)}


def violations_of(merged: InForce) -> list[Violation]:
    """Return everything that is wrong with the settings in force."""
    return [
        *_requests(merged),
        *_gpus(merged),
        *_mounts(merged),
        *_preemption(merged),
        *_priority_class(merged),
    ]


def warnings_of(merged: InForce) -> list[Violation]:
    """Return what could not be checked."""
    name = merged.settings.get("priority_class")
    if name is None or merged.priority_classes is not None:
        return []
    hint = "no list of priority classes is at hand: the cluster decides when the pod is created"
    return [Violation(_PRIORITY_PATH, ViolationCode.NOT_CHECKED.value, name, hint=hint)]


def _requests(merged: InForce) -> list[Violation]:
    """Compare each request with its limit; devices must be asked for and limited alike."""
    resources = merged.settings.get("resources") or {}
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    return [
        violation
        for name in requests
        if name in limits
        and (violation := _request(merged, name, requests[name], limits[name])) is not None
    ]


def _request(merged: InForce, name: str, request: str, limit: str) -> Violation | None:
    asked, most = parse_quantity(request), parse_quantity(limit)
    is_device = is_extended_resource(name)
    if asked <= most and not (is_device and asked != most):
        return None
    request_path = pointer("/resources/requests", name)
    limit_path = pointer("/resources/limits", name)
    # The value that the user wrote is the one to mend; the other is named with its level.
    path, given, other, other_path = request_path, request, limit, limit_path
    if _origin(merged, request_path) is not Level.RUN and _origin(merged, limit_path) is Level.RUN:
        path, given, other, other_path = limit_path, limit, request, request_path
    block = "limit" if other_path == limit_path else "request"
    relation = "exactly" if is_device else ("at most" if block == "limit" else "at least")
    hint = f"the {block} {other} comes from {_level(merged, other_path)}: set {other_path} too"
    if _origin(merged, path) is _origin(merged, other_path):
        hint = "raise the limit, or ask for less"
    code = ViolationCode.CONFLICT if is_device else ViolationCode.REQUEST_ABOVE_LIMIT
    return Violation(path, code.value, given, f"{relation} the {block} {other}", hint)


def _gpus(merged: InForce) -> list[Violation]:
    """Refuse GPUs of a type without a number; a type of the operator's alone asks for nothing."""
    gpus = (merged.settings.get("resources") or {}).get("gpus") or {}
    asked = _origin(merged, "/resources/gpus/type") is Level.RUN
    if not gpus or gpus.get("count") is not None or not asked:
        return []
    hint = "say how many, like `count: 1`; `count: 0` takes inherited ones away"
    return [Violation(GPU_COUNT_PATH, ViolationCode.REQUIRED.value, hint=hint)]


def _mounts(merged: InForce) -> list[Violation]:
    """Refuse two volumes at one place; where one is the operator's, the user's is named."""
    found = []
    mounted: dict[str, int] = {}
    volumes = merged.settings.get("volumes") or ()
    for position, volume in enumerate(volumes):
        place = mount_place(volume["mount"])
        if place not in mounted:
            mounted[place] = position
            continue
        own, other = position, mounted[place]
        if _volume_origin(merged, own) is not Level.RUN:
            own, other = other, own
        origin = _level(merged, pointer("/volumes", volumes[other]["name"]))
        hint = f"volume {volumes[other]['name']} of {origin} is mounted there: choose another path"
        path = f"/volumes/{merged.volume_positions.get(volumes[own]['name'], own)}/mount"
        found.append(
            Violation(path, ViolationCode.DUPLICATE.value, volumes[own]["mount"], None, hint)
        )
    return found


def _volume_origin(merged: InForce, position: int) -> Level:
    return _origin(merged, pointer("/volumes", merged.settings["volumes"][position]["name"]))


def _preemption(merged: InForce) -> list[Violation]:
    """Refuse `constrain` while there are no spot nodes; the other modes then change nothing."""
    mode = merged.settings.get("preemption_mode")
    if mode != PreemptionMode.CONSTRAIN.value:
        return []
    allowed = [
        each.value
        for each in PreemptionMode
        if each not in (PreemptionMode.CONSTRAIN, PreemptionMode.UNKNOWN)
    ]
    hint = "the operator names no spot nodes (preemptible_nodes), so that no node could be found"
    return [
        Violation(
            _PREEMPTION_PATH,
            ViolationCode.CONFLICT.value,
            mode,
            allowed,
            _with_origin(merged, _PREEMPTION_PATH, hint),
        )
    ]


def _priority_class(merged: InForce) -> list[Violation]:
    name, allowed = merged.settings.get("priority_class"), merged.priority_classes
    if name is None or allowed is None or name in allowed:
        return []
    hint = did_you_mean(name, allowed) or "take one of the list, highest first, or leave it out"
    if not allowed:
        hint = "the cluster has none: leave it out"
    return [
        Violation(
            _PRIORITY_PATH,
            ViolationCode.NOT_ALLOWED.value,
            shortened(name),
            list(allowed),
            _with_origin(merged, _PRIORITY_PATH, hint),
        )
    ]


_LEVELS = {
    Level.SHIPPED: "the defaults that come with runbus",
    Level.SERVICE: "the operator's defaults",
    Level.FUNCTION: "the function",
}


def _origin(merged: InForce, path: str) -> Level:
    return merged.origins.get(path, Level.RUN)


def _level(merged: InForce, path: str) -> str:
    return _LEVELS.get(_origin(merged, path), "the document")


def _with_origin(merged: InForce, path: str, hint: str) -> str:
    """Return a hint that says where the value comes from, if not from the document."""
    told = _LEVELS.get(_origin(merged, path))
    return f"it comes from {told}: {hint}" if told else hint
