"""The settings in force fitted to their kind: what it cannot have is refused, or left out.

Only what was asked for, at run or function level, is refused; a default that cannot apply to a
kind is left out without a word. Source: the page on settings, sections 2 and 4, and the page on
states, section 5. It must not know the shape of a document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from runbus.contracts.states import Kind, Role
from runbus.contracts.violations import Violation, ViolationCode
from runbus.settings.in_force import InForce
from runbus.settings.kinds import SECTIONS, roles_of, rules_of, stays
from runbus.settings.merge import Origins
from runbus.settings.model import ASKED, Level

Settings = Mapping[str, Any]

_RANK = {level: rank for rank, level in enumerate(Level)}
_RANGE = ("min_replicas", "max_replicas")
_OF_CONTAINER = ("command", "args", "workdir")


class Unfit(Struct, frozen=True):
    """A setting that a kind cannot have: its pointer, and why."""

    path: str
    hint: str


def fitted(merged: InForce, origins: Origins) -> tuple[dict[str, Any], list[Violation]]:
    """Return the settings without what their kind cannot have, and what of that was asked for.

    `origins` are changed alike: they are those of `merged`, still being made.
    """
    settings = _without_range_or_number(merged.settings, origins)
    if merged.kind is None:
        return settings, []
    found: list[Violation] = []
    for rule in (_unfit, _unfit_scaling, _unfit_stream):
        for each in list(rule(settings, merged.kind, origins)):
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
    ranged = [key for key in _RANGE if key in left]
    if "replicas" not in left or not ranged:
        return left
    number = _RANK[origins["/replicas"]]
    is_range_later = max(_RANK[origins[f"/{key}"]] for key in ranged) > number
    for key in ["replicas"] if is_range_later else ranged:
        del left[key]
        origins.pop(f"/{key}", None)
    return left


def _unfit(settings: Settings, kind: Kind, _: Origins) -> Iterator[Unfit]:
    rules, name = rules_of(kind), kind.value
    for section in SECTIONS:
        if section in settings and section != rules.section:
            yield Unfit(f"/{section}", f"it is not for kind {name}: take it out")
    roles = roles_of(kind, settings)
    for role in settings.get("roles") or ():
        if Role(role) not in roles:
            has = f"it has {', '.join(each.value for each in roles)}" if roles else "it has none"
            if role == Role.RUNNER.value and kind is Kind.DASK:
                has = "only mode job has a runner"
            yield Unfit(f"/roles/{role}", f"kind {name} has no such role: {has}")
    if rules.is_all_by_role and "resources" in settings:
        places = " and ".join(f"roles.{each.value}.resources" for each in roles)
        yield Unfit("/resources", f"kind {name} takes them by role: {places}")
    if rules.is_function:
        for key in _OF_CONTAINER:
            if key in settings:
                yield Unfit(f"/{key}", f"kind {name} runs nuclio.handler: take it out")
    if stays(kind, settings):
        yield from _unfit_thresholds(settings, name)


def _unfit_thresholds(settings: Settings, name: str) -> Iterator[Unfit]:
    what = "a dask cluster" if name == Kind.DASK.value else f"a {name} function"
    hint = (
        f"{what} stays until it is aborted or replaced, so that no threshold applies: take it out"
    )
    for key in settings.get("state_thresholds") or ():
        yield Unfit(f"/state_thresholds/{key}", hint)


def _unfit_scaling(settings: Settings, kind: Kind, origins: Origins) -> Iterator[Unfit]:
    rules, name = rules_of(kind), kind.value
    if rules.replicas_least is None and "replicas" in settings:
        yield Unfit("/replicas", f"kind {name} is one pod: take it out")
    for key in _RANGE:
        if key in settings and not rules.can_scale:
            way = "take it out" if rules.replicas_least is None else "give replicas"
            yield Unfit(f"/{key}", f"kind {name} cannot scale by itself: {way}")
    if "target_cpu" not in settings:
        return
    if not rules.is_function:
        yield Unfit("/target_cpu", f"kind {name} does not scale by CPU: take it out")
    elif not _has_cpu_request(settings):
        hint = "it is a percentage of the CPU request: give resources.requests.cpu"
        yield Unfit("/target_cpu", hint)
    elif "replicas" in settings and origins["/target_cpu"] not in ASKED:
        yield Unfit("/target_cpu", "the number of replicas is fixed")


def _has_cpu_request(settings: Settings) -> bool:
    """Say whether CPU is asked for; a limit alone is a request too, for Kubernetes."""
    resources = settings.get("resources") or {}
    return any("cpu" in (resources.get(block) or {}) for block in ("requests", "limits"))


def _unfit_stream(settings: Settings, kind: Kind, _: Origins) -> Iterator[Unfit]:
    """Refuse scaling of what reads a stream: its shards are shared out among fixed replicas."""
    stream = (settings.get("nuclio") or {}).get("v3io_stream")
    if not stream or not rules_of(kind).is_function:
        return
    shards = stream.get("shards")
    way = "give shards, or replicas" if shards is None else f"shards fixes the replicas, {shards}"
    least, most = (settings.get(key) for key in _RANGE)
    for key in _RANGE:
        if key in settings and (least != most or (shards is not None and shards != most)):
            yield Unfit(f"/{key}", f"a function that reads a stream cannot scale by itself: {way}")
    if "target_cpu" in settings:
        yield Unfit("/target_cpu", f"a function that reads a stream cannot scale by itself: {way}")
    if shards is not None and settings.get("replicas") not in (None, shards):
        yield Unfit(
            "/replicas", f"v3io_stream.shards fixes the replicas: {shards}, or leave it out"
        )


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
    key, *below = path.split("/")[1:]
    for known in [each for each in origins if _is_at(each, path)]:
        del origins[known]
    left = {name: value for name, value in settings.items() if name != key or below}
    if below:
        inner = {name: value for name, value in settings[key].items() if name != below[0]}
        left[key] = inner
        if not inner:
            del left[key]
    return left


def _is_at(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")


def _value_at(settings: Settings, path: str) -> Any:
    value: Any = settings
    for key in path.split("/")[1:]:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
