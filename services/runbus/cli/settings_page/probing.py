"""Which kinds can have a setting, and what it is without being given. Pure.

Answered by judging documents of each kind as the validator does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from runbus.cli.settings_page.examples import EXAMPLES, LEAST
from runbus.contracts.states import Kind
from runbus.settings.defaults import Defaults
from runbus.settings.merge import parts
from runbus.settings.model import Level, Refused, Resolved
from runbus.settings.resolve import resolve

# What is judged where the example would need an operator's platform.
_PLAIN: Mapping[str, Any] = {"preemption_mode": "allow"}
# Settings that only mean something beside another.
_BESIDE: Mapping[str, Mapping[str, Any]] = {
    "target_cpu": {"resources": {"requests": {"cpu": "1"}}},
    "min_replicas": {"max_replicas": 4},
    "max_replicas": {"min_replicas": 1},
}


# Kinds that can have some settings in another mode only, and how that is told.
_OTHER_MODE: Mapping[Kind, tuple[str, Mapping[str, Any]]] = {
    Kind.DASK: ("mode job", {"dask": {"mode": "job"}}),
}
EVERY_KIND = tuple(kind.value for kind in LEAST)


def kinds_of(key: str) -> tuple[str, ...]:
    """Return the kinds of which no document is refused for having a setting."""
    return _kinds_with(key, {**EXAMPLES, **_PLAIN}[key])


def kinds_of_role(role: str) -> tuple[str, ...]:
    """Return the kinds that have a role."""
    return _kinds_with("roles", {role: {"node_selector": {"a": "b"}}})


@cache
def shipped_defaults(kind: Kind) -> dict[str, Any]:
    """Return the defaults that come with runbus and are in force for a kind, by pointer."""
    found = _judged(_least(kind))
    if isinstance(found, Refused):
        text = f"the least document of kind {kind.value} is refused: {found.violations}"
        raise TypeError(text)
    in_force = parts(msgspec.to_builtins(found.document))
    return {
        path: value for path, value in in_force.items() if found.origins.get(path) is Level.SHIPPED
    }


def _kinds_with(key: str, value: Any) -> tuple[str, ...]:
    found = []
    for kind in LEAST:
        told, mode = _OTHER_MODE.get(kind, ("", {}))
        if _may_have(kind, key, value):
            found.append(kind.value)
        elif mode and _may_have(kind, key, value, mode):
            found.append(f"{kind.value} ({told})")
    return tuple(found)


def _may_have(kind: Kind, key: str, value: Any, mode: Mapping[str, Any] = {}) -> bool:
    least = {**_least(kind), **mode}
    own = {**least.get(key, {}), **value} if key in least and isinstance(value, dict) else value
    found = _judged({**least, **_BESIDE.get(key, {}), key: own, "kind": kind.value})
    if isinstance(found, Resolved):
        return True
    return not any(f"{each.path}/".startswith(f"/{key}/") for each in found.violations)


def _least(kind: Kind) -> dict[str, Any]:
    least = {"project": "p", "name": "n", "kind": kind.value, "image": "x:1"}
    return {**least, **LEAST[kind]}


def _judged(document: Mapping[str, Any]) -> Resolved | Refused:
    return resolve(dict(document), project=None, defaults=Defaults(), default_user="")
