"""The settings in force fitted to their kind: what it cannot have is refused, or left out.

Only what was asked for, at run or function level, is refused; a default that cannot apply to a
kind is left out without a word. Source: the page on settings, sections 2 and 4, and the page on
states, section 5. It must not know the shape of a document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runbus.contracts.states import Kind
from runbus.contracts.violations import Violation, ViolationCode
from runbus.settings.in_force import InForce
from runbus.settings.kinds import rules_of
from runbus.settings.merge import Origins
from runbus.settings.model import ASKED, Level
from runbus.settings.unfit import RANGE, RULES, Unfit, fixing

Settings = Mapping[str, Any]

_RANK = {level: rank for rank, level in enumerate(Level)}


def fitted(merged: InForce, origins: Origins) -> tuple[dict[str, Any], list[Violation]]:
    """Return the settings without what their kind cannot have, and what of that was asked for.

    `origins` are changed alike: they are those of `merged`, still being made.
    """
    settings = _without_range_or_number(merged.settings, origins)
    settings = _without_target_of_range(settings, origins)
    if merged.kind is None:
        return settings, []
    found: list[Violation] = []
    for rule in RULES:
        for each in list(rule(settings, merged.kind)):
            found += _refused(each, merged)
            settings = _without(settings, each.path, origins)
    return _with_replicas_of_shards(settings, merged.kind, origins), found


def _refused(unfit: Unfit, merged: InForce) -> list[Violation]:
    """Refuse a setting if somebody asked for any part of it."""
    asked = [path for path in merged.origins if _is_at(path, unfit.path)]
    levels = [merged.origins[path] for path in asked if merged.origins[path] in ASKED]
    if not levels:
        return []
    given = _value_at(merged.settings, unfit.path)
    hint = unfit.hint
    if Level.RUN not in levels:
        hint = f"it comes from {merged.level(asked[0])}: {hint}"
    return [
        Violation(
            unfit.path,
            ViolationCode.CONFLICT.value,
            given if isinstance(given, int | str) else None,
            hint=hint,
        )
    ]


def _without_range_or_number(settings: Settings, origins: Origins) -> dict[str, Any]:
    """Leave out the range, or the number, that a later level has replaced by the other."""
    left = dict(settings)
    ranged = [key for key in RANGE if key in left]
    if "replicas" not in left or not ranged:
        return left
    number = _RANK[origins["/replicas"]]
    is_range_later = max(_RANK[origins[f"/{key}"]] for key in ranged) > number
    for key in ["replicas"] if is_range_later else ranged:
        del left[key]
        origins.pop(f"/{key}", None)
    return left


def _without_target_of_range(settings: dict[str, Any], origins: Origins) -> dict[str, Any]:
    """Leave out the target that a range scales by where a later level has fixed the number."""
    fixed_by = [_RANK[origins[f"/{key}"]] for key in fixing(settings)]
    if "target_cpu" not in settings or not fixed_by:
        return settings
    is_number_later = max(fixed_by) > _RANK[origins["/target_cpu"]]
    return _without(settings, "/target_cpu", origins) if is_number_later else settings


def _with_replicas_of_shards(
    settings: dict[str, Any], kind: Kind, origins: Origins
) -> dict[str, Any]:
    """Fill in the replicas of what reads a stream: one for each shard that is told of, else one."""
    stream = (settings.get("nuclio") or {}).get("v3io_stream")
    if not stream or not rules_of(kind).is_function or "replicas" in settings:
        return settings
    if settings.get("max_replicas") is not None:
        return settings
    shards = stream.get("shards")
    if shards is not None:
        origins["/replicas"] = origins["/nuclio/v3io_stream/shards"]
    return {**settings, "replicas": shards or 1}


def _without(settings: dict[str, Any], path: str, origins: Origins) -> dict[str, Any]:
    """Return settings without what stands at a pointer; what is empty then goes as well."""
    key, *below = _keys(path)
    for known in [each for each in origins if _is_at(each, path)]:
        del origins[known]
    return _without_key(settings, key, below)


def _without_key(settings: Settings, key: str, below: Sequence[str]) -> dict[str, Any]:
    left = dict(settings)
    inner = _without_key(left[key], below[0], below[1:]) if below else {}
    if inner:
        left[key] = inner
    else:
        del left[key]
    return left


def _keys(path: str) -> list[str]:
    """Return the keys that a pointer goes through."""
    return [each.replace("~1", "/").replace("~0", "~") for each in path.split("/")[1:]]


def _is_at(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")


def _value_at(settings: Settings, path: str) -> Any:
    value: Any = settings
    for key in _keys(path):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
