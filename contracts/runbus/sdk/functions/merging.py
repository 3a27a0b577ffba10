"""A document with changes over it, as one more level would be: by key, by name, or whole. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbus.sdk.functions.environment import env_entry, with_entry

_RANGE = ("min_replicas", "max_replicas")
# Kubernetes' own shapes: parts of two of them make no sense together.
_WHOLE = frozenset({"affinity", "security_context"})


def with_changes(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with changes; neither is altered.

    Mappings are merged by key, `env` and `volumes` by name, everything else is replaced. None
    takes a setting out, and an empty mapping stands for itself: `resources={}` opts out of
    defaults. `env` may be a mapping of names to Python's values.

    Raises:
        RefusedSettingError: a value of `env` cannot be one.

    """
    changed = _without_replaced(document, changes)
    for key, value in changes.items():
        if value is None:
            changed.pop(key, None)
        elif key in ("env", "volumes"):
            changed[key] = _by_name(changed.get(key) or [], _entries(key, value))
        elif key in _WHOLE:
            changed[key] = value
        elif key == "state_thresholds":
            changed[key] = _merged(_without_running(changed.get(key), value), value)
        elif key == "parameters":
            changed[key] = _parameters(changed.get(key), value)
        else:
            changed[key] = _merged(changed.get(key), value)
    return changed


def _without_running(before: Any, value: Any) -> Any:
    """Return thresholds without the one that is given anew under its other name."""
    if not (isinstance(before, Mapping) and isinstance(value, Mapping) and "executing" in value):
        return before
    return {key: each for key, each in before.items() if key != "running"}


def _without_replaced(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document without the range, or the number, that is replaced by the other."""
    replaced: tuple[str, ...] = ()
    if changes.get("replicas") is not None:
        replaced = _RANGE
    elif any(changes.get(key) is not None for key in _RANGE):
        replaced = ("replicas",)
    return {key: value for key, value in document.items() if key not in replaced}


def _merged(before: Any, value: Any) -> Any:
    if not (isinstance(before, Mapping) and isinstance(value, Mapping) and value):
        return value
    return with_changes(before, value)


def _parameters(before: Any, value: Any) -> Any:
    """Return parameters with others over them: theirs are any JSON, and null is a value."""
    both = isinstance(before, Mapping) and isinstance(value, Mapping)
    return {**before, **value} if both else value


def _entries(key: str, value: Any) -> Any:
    if key == "env" and isinstance(value, Mapping):
        return [env_entry(name, each) for name, each in value.items()]
    return value


def _by_name(before: list[Any], entries: Any) -> Any:
    if not isinstance(entries, list | tuple):
        return entries  # the check says what is wrong with it
    if not all(isinstance(each, Mapping) and "name" in each for each in entries):
        return list(entries)
    found = list(before)
    for entry in entries:
        found = with_entry(found, dict(entry))
    return found
