"""Levels of settings to one: what a later level says wins, per setting or per key.

Works on raw mappings that have been checked for their shape. Nothing given is changed: what stands
the same at both levels is shared, what differs is built anew. Source: the page on settings,
section 2. It must not know which values are right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from runbus.contracts.violations import pointer
from runbus.settings.model import Level

Settings = Mapping[str, Any]
Origins = dict[str, Level]
Parts = dict[str, Any]


class _Rule(Struct, frozen=True):
    """How a setting of two levels becomes one, and by which pointers its parts go."""

    merge: Callable[[Any, Any, str, Level, Origins], Any]
    parts: Callable[[Any, str], Parts]


def merge(levels: Sequence[tuple[Level, Settings]]) -> tuple[dict[str, Any], Origins]:
    """Return the settings in force, and where each came from; later levels win."""
    merged: dict[str, Any] = {}
    origins: Origins = {}
    for level, settings in levels:
        _merge_into(merged, settings, _RULES, "", level, origins)
    return merged, origins


def parts(settings: Settings) -> Parts:
    """Return settings by the pointers at which they are merged: as a whole, by key, or by name.

    The pointers are those of `Origins`.
    """
    return _parts_of(settings, _RULES, "")


def _merge_into(
    merged: dict[str, Any],
    own: Settings,
    rules: Mapping[str, _Rule],
    at: str,
    level: Level,
    origins: Origins,
) -> None:
    for key, value in own.items():
        rule, path = rules.get(key), f"{at}/{key}"
        if rule is None:
            merged[key] = value
            origins[path] = level
        else:
            merged[key] = rule.merge(merged.get(key), value, path, level, origins)


def _parts_of(settings: Settings, rules: Mapping[str, _Rule], at: str) -> Parts:
    found: Parts = {}
    for key, value in settings.items():
        rule, path = rules.get(key), f"{at}/{key}"
        found.update({path: value} if rule is None else rule.parts(value, path))
    return found


def _by_key(below: Settings | None, own: Settings, path: str, level: Level, at: Origins) -> Any:
    for key in own:
        at[pointer(path, key)] = level
    return {**below, **own} if below else dict(own)


def _parts_by_key(value: Settings, path: str) -> Parts:
    return {pointer(path, key): each for key, each in value.items()}


def _by_name(
    below: Sequence[Settings] | None, own: Sequence[Settings], path: str, level: Level, at: Origins
) -> list[Settings]:
    """Merge entries by name: order is kept, and a repeated name replaces in place."""
    entries = {str(entry["name"]): entry for entry in below or ()}
    for entry in own:
        entries[str(entry["name"])] = entry
        at[pointer(path, entry["name"])] = level
    return list(entries.values())


def _parts_by_name(value: Sequence[Settings], path: str) -> Parts:
    return {pointer(path, entry["name"]): entry for entry in value}


def _resources(
    below: Settings | None, own: Settings, path: str, level: Level, at: Origins
) -> dict[str, Any]:
    """Merge each block by key; an empty mapping opts out of what lower levels say."""
    if not own:
        for known in [each for each in at if each == path or each.startswith(f"{path}/")]:
            del at[known]
        at[path] = level
        return {}
    below = below or {}
    blocks = {
        key: _by_key(below.get(key), block, f"{path}/{key}", level, at)
        for key, block in own.items()
    }
    return {**below, **blocks}


def _parts_of_resources(value: Settings, path: str) -> Parts:
    if not value:
        return {path: value}
    blocks = (_parts_by_key(block, f"{path}/{key}") for key, block in value.items())
    return {place: each for block in blocks for place, each in block.items()}


def _deep(
    below: Settings | None, own: Settings, path: str, level: Level, at: Origins
) -> dict[str, Any]:
    """Merge the section of a kind by key, at every depth; lists replace whole."""
    merged = dict(below or {})
    for key, value in own.items():
        place = pointer(path, key)
        if isinstance(value, dict):
            merged[key] = _deep(merged.get(key), value, place, level, at)
        else:
            merged[key] = value
            at[place] = level
    return merged


def _parts_deep(value: Settings, path: str) -> Parts:
    found: Parts = {}
    for key, each in value.items():
        place = pointer(path, key)
        found.update(_parts_deep(each, place) if isinstance(each, dict) else {place: each})
    return found


def _roles(
    below: Settings | None, own: Settings, path: str, level: Level, at: Origins
) -> dict[str, Any]:
    """Merge the settings of each role as those of a run."""
    merged = dict(below or {})
    for role, settings in own.items():
        merged[role] = dict(merged.get(role) or {})
        _merge_into(merged[role], settings, _RULES, f"{path}/{role}", level, at)
    return merged


def _parts_of_roles(value: Settings, path: str) -> Parts:
    roles = (_parts_of(settings, _RULES, f"{path}/{role}") for role, settings in value.items())
    return {place: each for role in roles for place, each in role.items()}


def _any_false(
    below: bool | None,
    own: bool,
    path: str,
    level: Level,
    at: Origins,
) -> bool:
    """Merge a setting that is off where any level says so."""
    if below is False:
        return False
    at[path] = level
    return own


_KEYED = _Rule(_by_key, _parts_by_key)
_NAMED = _Rule(_by_name, _parts_by_name)
_SECTION = _Rule(_deep, _parts_deep)
_RULES: dict[str, _Rule] = {
    "env": _NAMED,
    "volumes": _NAMED,
    "labels": _KEYED,
    "annotations": _KEYED,
    "node_selector": _KEYED,
    "state_thresholds": _KEYED,
    "retry": _KEYED,
    "queue": _KEYED,
    "resources": _Rule(_resources, _parts_of_resources),
    "auto_mount": _Rule(_any_false, lambda value, path: {path: value}),
    "roles": _Rule(_roles, _parts_of_roles),
    "mpi": _SECTION,
    "spark": _SECTION,
    "dask": _SECTION,
    "nuclio": _SECTION,
}
