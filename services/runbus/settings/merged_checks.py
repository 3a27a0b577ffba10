"""What only the settings in force can show: values of different settings, or of different levels.

Each check gives violations whose paths point into the run's document as if everything had been
written there; where a value comes from somewhere else, the hint says so. The settings have gone
through the contracts' check of structure, level by level, and stand in its normal form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runbus.contracts.document_findings import did_you_mean
from runbus.contracts.document_rules import mount_place
from runbus.contracts.locations import HOME
from runbus.contracts.names import is_extended_resource
from runbus.contracts.quantities import parse_quantity
from runbus.contracts.violations import Violation, ViolationCode, pointer, shortened
from runbus.settings.capping import beyond_caps
from runbus.settings.in_force import InForce
from runbus.settings.kind_checks import kind_violations, unnamed_program, workers_beside_gpus
from runbus.settings.kinds import roles_of
from runbus.settings.model import Level
from runbus.settings.spot_checks import unmeetable_mode

Settings = Mapping[str, Any]

GPU_COUNT_PATH = "/resources/gpus/count"
_PRIORITY_PATH = "/priority_class"


def volume_positions(raw: object) -> dict[str, int]:
    """Return where each volume stands in the list of a document as it was given, by name."""
    volumes = raw.get("volumes") if isinstance(raw, dict) else None
    if not isinstance(volumes, list | tuple):
        return {}
    names = (each.get("name") if isinstance(each, dict) else None for each in volumes)
    return {name: position for position, name in enumerate(names) if isinstance(name, str)}


def violations_of(merged: InForce) -> list[Violation]:
    """Return everything that is wrong with the settings in force, each finding once."""
    found = [*_mounts(merged), *_homes(merged), *kind_violations(merged), *beyond_caps(merged)]
    for pods in _pods(merged):
        found += _requests(pods)
        found += _gpus(pods)
        found += unmeetable_mode(pods)
        found += _priority_class(pods)
    return list({(each.path, each.code): each for each in found}.values())


def warnings_of(merged: InForce) -> list[Violation]:
    """Return what could not be checked, and what is right and rarely meant."""
    return [
        *_unchecked_class(merged),
        *_unknown_homes(merged),
        *workers_beside_gpus(merged),
        *unnamed_program(merged),
    ]


def _unchecked_class(merged: InForce) -> list[Violation]:
    name = merged.settings.get("priority_class")
    if name is None or merged.priority_classes is not None:
        return []
    hint = "no list of priority classes is at hand: the cluster decides when the pod is created"
    return [Violation(_PRIORITY_PATH, ViolationCode.NOT_CHECKED.value, name, hint=hint)]


def _pods(merged: InForce) -> Iterator[InForce]:
    """Yield the settings of each sort of pod that the run has."""
    roles = roles_of(merged.kind, merged.settings) if merged.kind is not None else ()
    if not roles:
        yield merged
    for role in roles:
        yield merged.of_role(role)


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
    # The value that somebody asked for is the one to mend; the other is named with its level.
    path, given, other, other_path = request_path, request, limit, limit_path
    if not merged.is_asked(request_path) and merged.is_asked(limit_path):
        path, given, other, other_path = limit_path, limit, request, request_path
    block = "limit" if other_path == limit_path else "request"
    relation = "exactly" if is_device else ("at most" if block == "limit" else "at least")
    place = merged.place(other_path)
    hint = f"the {block} {other} comes from {merged.level(other_path)}: set {place} too"
    if merged.origin(path) is merged.origin(other_path):
        hint = "raise the limit, or ask for less"
    code = ViolationCode.CONFLICT if is_device else ViolationCode.REQUEST_ABOVE_LIMIT
    allowed = f"{relation} the {block} {other}"
    return Violation(merged.place(path), code.value, given, allowed, hint)


def _gpus(merged: InForce) -> list[Violation]:
    """Refuse GPUs of a type without a number; a type of the operator's alone asks for nothing."""
    gpus = (merged.settings.get("resources") or {}).get("gpus") or {}
    if not gpus or gpus.get("count") is not None or not merged.is_asked("/resources/gpus/type"):
        return []
    hint = "say how many, like `count: 1`; `count: 0` takes inherited ones away"
    return [Violation(merged.place(GPU_COUNT_PATH), ViolationCode.REQUIRED.value, hint=hint)]


def _mounts(merged: InForce) -> list[Violation]:
    """Refuse two volumes at one place; where one is inherited, the other is named."""
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
        origin = merged.level(pointer("/volumes", volumes[other]["name"]))
        hint = f"volume {volumes[other]['name']} of {origin} is mounted there: choose another path"
        path = f"/volumes/{merged.volume_positions.get(volumes[own]['name'], own)}/mount"
        found.append(
            Violation(path, ViolationCode.DUPLICATE.value, volumes[own]["mount"], None, hint)
        )
    return found


def _volume_origin(merged: InForce, position: int) -> Level:
    return merged.origin(pointer("/volumes", merged.settings["volumes"][position]["name"]))


def _homes(merged: InForce) -> list[Violation]:
    """Refuse a home of a user whose name is no folder's: it would lead somewhere else."""
    user = merged.user
    if not user or ("/" not in user and user not in (".", "..")):
        return []
    hint = f"the user {shortened(user)!r} can have no home: write the container and the path"
    code = ViolationCode.INVALID_PATH.value
    return [Violation(path, code, given, hint=hint) for path, given in _in_homes(merged)]


def _unknown_homes(merged: InForce) -> list[Violation]:
    hint = "whose run it is is not known here: ~ is the home of its user"
    code = ViolationCode.NOT_CHECKED.value
    homes = () if merged.user else _in_homes(merged)
    return [Violation(path, code, given, hint=hint) for path, given in homes]


def _in_homes(merged: InForce) -> Iterator[tuple[str, str]]:
    """Yield where a volume stands that is in the home of the run's user, and its path there."""
    for position, volume in enumerate(merged.settings.get("volumes") or ()):
        path = (volume.get("v3io") or {}).get("path") or ""
        if path.split("/", 1)[0] == HOME:
            at = merged.volume_positions.get(volume["name"], position)
            yield f"/volumes/{at}/v3io/path", path


def _priority_class(merged: InForce) -> list[Violation]:
    name, allowed = merged.settings.get("priority_class"), merged.priority_classes
    if name is None or allowed is None or name in allowed:
        return []
    hint = did_you_mean(name, allowed) or "take one of the list, highest first, or leave it out"
    if not allowed:
        hint = "the cluster has none: leave it out"
    code = ViolationCode.NOT_ALLOWED
    return [merged.refusal(_PRIORITY_PATH, code, shortened(name), allowed=list(allowed), hint=hint)]
