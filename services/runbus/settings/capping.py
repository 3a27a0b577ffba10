"""Caps: the most that a run may ask for, as the operator says for all runs and for a project.

What was asked for beyond a cap is refused, and the cap named. What nobody asked for, a default
that comes with runbus or no limit at all, is brought down to it. Source: the page on settings,
section 2.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from runbus.contracts.document_findings import did_you_mean
from runbus.contracts.durations import parse_duration
from runbus.contracts.violations import Violation, ViolationCode, pointer
from runbus.settings.in_force import CapsOf, InForce
from runbus.settings.kinds import stays
from runbus.settings.merge import Origins
from runbus.settings.model import Level

Settings = Mapping[str, Any]

_SHARDS = "/nuclio/v3io_stream/shards"
_REPLICAS = ("replicas", "min_replicas", "max_replicas")


def capped(
    settings: dict[str, Any], origins: Origins, caps: Iterable[CapsOf], merged: InForce
) -> dict[str, Any]:
    """Return settings whose shipped and missing values keep to the caps; `origins` change alike."""
    left = dict(settings)
    free = {path for path, level in origins.items() if level is Level.SHIPPED}
    for each in caps:
        if merged.kind is None or not stays(merged.kind, settings):
            _cap_thresholds(left, origins, each, free)
        most = each.caps.replicas
        for key in _REPLICAS:
            if most is not None and f"/{key}" in free and left.get(key, 0) > most:
                left[key] = most
                origins[f"/{key}"] = each.level
    return left


def _cap_thresholds(
    settings: dict[str, Any], origins: Origins, caps: CapsOf, free: set[str]
) -> None:
    """Bring down what is free: shipped, missing, or brought down by another cap before."""
    for key, most in _thresholds(caps).items():
        path = f"/state_thresholds/{key}"
        thresholds = settings.get("state_thresholds") or {}
        if key not in thresholds:
            free.add(path)
        if path in free and _is_longer(thresholds.get(key), most):
            settings["state_thresholds"] = {**thresholds, key: most}
            origins[path] = caps.level


def beyond_caps(merged: InForce) -> list[Violation]:
    """Return every setting in force that is past a cap."""
    found = [_host_path_violation(merged, *each) for each in _forbidden_host_paths(merged)]
    for caps in merged.caps:
        found += _of_level(merged, caps)
    return found


def _of_level(merged: InForce, caps: CapsOf) -> Iterator[Violation]:
    settings, limits = merged.settings, caps.caps
    if limits.kinds is not None and merged.kind is not None and merged.kind not in limits.kinds:
        yield _not_among(merged, "/kind", merged.kind.value, [*limits.kinds], caps)
    for key, most in _thresholds(caps).items():
        given = (settings.get("state_thresholds") or {}).get(key)
        if given is not None and _is_longer(given, most):
            yield _past(merged, f"/state_thresholds/{key}", given, most, caps)
    for key in _REPLICAS:
        if limits.replicas is not None and settings.get(key, 0) > limits.replicas:
            path = _SHARDS if _is_by_shards(settings, key) else f"/{key}"
            yield _past(merged, path, settings[key], limits.replicas, caps)
    account = settings.get("service_account")
    accounts = limits.service_accounts
    if accounts is not None and account is not None and account not in accounts:
        yield _not_among(merged, "/service_account", account, accounts, caps)
    for path, name in _priority_classes(settings):
        if limits.priority_classes is not None and name not in limits.priority_classes:
            yield _not_among(merged, path, name, limits.priority_classes, caps)


def _is_by_shards(settings: Settings, key: str) -> bool:
    """Say whether a number of replicas is that of a stream's shards."""
    stream = (settings.get("nuclio") or {}).get("v3io_stream") or {}
    return key == "replicas" and stream.get("shards") is not None


def _priority_classes(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.get("priority_class") is not None:
        yield "/priority_class", settings["priority_class"]
    for role, own in (settings.get("roles") or {}).items():
        if own.get("priority_class") is not None:
            yield f"/roles/{role}/priority_class", own["priority_class"]


def _thresholds(caps: CapsOf) -> dict[str, str]:
    """Return the capped thresholds; one of `-1` caps nothing."""
    found: dict[str, str] = msgspec.to_builtins(caps.caps.state_thresholds) or {}
    return {key: most for key, most in found.items() if most != "-1"}


def _is_longer(given: str | None, most: str) -> bool:
    """Say whether a threshold is longer than another; one that is missing has no end."""
    seconds = parse_duration(given, allow_infinite=True) if given is not None else None
    limit = parse_duration(most, allow_infinite=True)
    return limit is not None and (seconds is None or seconds > limit)


def _past(merged: InForce, path: str, given: object, most: object, caps: CapsOf) -> Violation:
    hint = f"the cap of {caps.whose} is {most}: ask for less, or have the cap raised"
    code = ViolationCode.CAP_EXCEEDED
    return merged.refusal(path, code, given, allowed=f"at most {most}", hint=hint)


def _not_among(
    merged: InForce, path: str, given: str, allowed: Iterable[object], caps: CapsOf
) -> Violation:
    names = [str(each) for each in allowed]
    near = did_you_mean(given, names)
    hint = f"the caps of {caps.whose} allow only these" + (f": {near}" if near else "")
    return merged.refusal(path, ViolationCode.CAP_EXCEEDED, given, allowed=names, hint=hint)


def _forbidden_host_paths(merged: InForce) -> Iterator[tuple[int, str, list[str], str]]:
    """Yield each folder of a node that some level does not allow, or that none allows."""
    said = [each for each in merged.caps if each.caps.host_paths is not None]
    for position, volume in enumerate(merged.settings.get("volumes") or ()):
        folder = volume.get("host_path")
        if folder is None:
            continue
        if not said:
            yield position, folder, [], "no cap names folders of nodes that may be mounted"
        for each in said:
            allowed = list(each.caps.host_paths or ())
            if not any(_is_inside(folder, every) for every in allowed):
                yield position, folder, allowed, f"the caps of {each.whose} allow only these"
                break


def _is_inside(folder: str, allowed: str) -> bool:
    place, limit = posixpath.normpath(folder), posixpath.normpath(allowed)
    return place == limit or place.startswith(limit.rstrip("/") + "/")


def _host_path_violation(
    merged: InForce, position: int, folder: str, allowed: list[str], why: str
) -> Violation:
    name = merged.settings["volumes"][position]["name"]
    path = f"/volumes/{merged.volume_positions.get(name, position)}/host_path"
    words = merged.level(pointer("/volumes", name))
    origin = "" if words == "the document" else f"it comes from {words}: "
    hint = f"{origin}{why} (host_paths)"
    return Violation(path, ViolationCode.CAP_EXCEEDED.value, folder, allowed or None, hint)
