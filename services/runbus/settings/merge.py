"""Levels of settings to one: what a later level says wins, per setting or per key.

Works on raw mappings that have been checked for their shape. Nothing given is changed: what stands
the same at both levels is shared, what differs is built anew. Source: the page on settings,
section 2. It must not know which values are right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runbus.contracts.violations import pointer
from runbus.settings.model import Level

Settings = Mapping[str, Any]
Origins = dict[str, Level]


def merge(levels: Sequence[tuple[Level, Settings]]) -> tuple[dict[str, Any], Origins]:
    """Return the settings in force, and where each came from; later levels win."""
    merged: dict[str, Any] = {}
    origins: Origins = {}
    for level, settings in levels:
        for key, value in settings.items():
            rule = _RULES.get(key)
            path = f"/{key}"
            if rule is None:
                merged[key] = value
                origins[path] = level
            else:
                merged[key] = rule(merged.get(key), value, path, level, origins)
    return merged, origins


def parts(settings: Settings) -> dict[str, Any]:
    """Return settings by the pointers at which they are merged: as a whole, by key, or by name.

    The pointers are those of `Origins`.
    """
    found: dict[str, Any] = {}
    for key, value in settings.items():
        path = f"/{key}"
        rule = _RULES.get(key)
        if rule is _by_key:
            found.update({pointer(path, each): value[each] for each in value})
        elif rule is _by_name:
            found.update({pointer(path, entry["name"]): entry for entry in value})
        elif rule is _resources and value:
            for block, entries in value.items():
                found.update({pointer(f"{path}/{block}", each): entries[each] for each in entries})
        else:
            found[path] = value
    return found


def _by_key(
    below: Mapping[str, Any] | None, own: Mapping[str, Any], path: str, level: Level, at: Origins
) -> dict[str, Any]:
    for key in own:
        at[pointer(path, key)] = level
    return {**below, **own} if below else dict(own)


def _by_name(
    below: Sequence[Mapping[str, Any]] | None,
    own: Sequence[Mapping[str, Any]],
    path: str,
    level: Level,
    at: Origins,
) -> list[Mapping[str, Any]]:
    """Merge entries by name: order is kept, and a repeated name replaces in place."""
    entries = {str(entry["name"]): entry for entry in below or ()}
    for entry in own:
        entries[str(entry["name"])] = entry
        at[pointer(path, entry["name"])] = level
    return list(entries.values())


def _resources(
    below: Mapping[str, Any] | None, own: Mapping[str, Any], path: str, level: Level, at: Origins
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


_Rule = Callable[[Any, Any, str, Level, Origins], Any]
_RULES: dict[str, _Rule] = {
    "env": _by_name,
    "volumes": _by_name,
    "labels": _by_key,
    "annotations": _by_key,
    "node_selector": _by_key,
    "state_thresholds": _by_key,
    "retry": _by_key,
    "resources": _resources,
}
