"""The settings in force in their final form: what cancels is gone, what is implied is filled in.

Comes after the merge and the checks. A value of a lower level that cannot stand beside what a
higher level asks for gives way here. Nothing given is changed. It must not know which levels
there are, only which of two origins is the later one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbus.contracts.document_rules import GPU_TYPE_DEFAULT
from runbus.contracts.durations import parse_duration
from runbus.contracts.names import is_extended_resource
from runbus.contracts.violations import pointer
from runbus.settings.model import Level

Settings = Mapping[str, Any]
Origins = Mapping[str, Level]

_RANK = {level: rank for rank, level in enumerate(Level)}


def settled(settings: Settings, origins: Origins) -> dict[str, Any]:
    """Return the settings in force in their final form."""
    final = dict(settings)
    _put(final, "node_selector", _selector(settings.get("node_selector")))
    _put(final, "resources", _resources(settings.get("resources"), origins))
    _put(final, "retry", _retry(settings.get("retry"), origins))
    return final


def _put(final: dict[str, Any], key: str, value: object) -> None:
    """Set what is there, and leave out what is empty."""
    if value:
        final[key] = value
    else:
        final.pop(key, None)


def _selector(given: Mapping[str, str] | None) -> dict[str, str]:
    """Leave out the keys whose empty value has cancelled what was inherited."""
    return {key: value for key, value in (given or {}).items() if value}


def _resources(given: Settings | None, origins: Origins) -> dict[str, Any]:
    """Let devices stand in requests and limits alike, and each GPU in one place only."""
    if not given:
        return {}
    requests, limits = dict(given.get("requests") or {}), dict(given.get("limits") or {})
    gpus = _gpus(given.get("gpus"), requests, limits, origins)
    for name in [*requests, *limits]:
        if is_extended_resource(name):
            requests[name] = limits[name] = limits.get(name, requests.get(name))
    blocks = {"requests": requests, "limits": limits, "gpus": gpus}
    return {key: block for key, block in blocks.items() if block}


def _gpus(
    given: Settings | None, requests: dict[str, Any], limits: dict[str, Any], origins: Origins
) -> dict[str, Any]:
    """Return the GPUs with their type; the same device elsewhere stays only if it is later."""
    if not given or given.get("count") is None:
        return {}
    device = given.get("type", GPU_TYPE_DEFAULT)
    places = [pointer(f"/resources/{block}", device) for block in ("requests", "limits")]
    if max(_rank(origins, each) for each in places) > _rank(origins, "/resources/gpus/count"):
        return {}
    requests.pop(device, None)
    limits.pop(device, None)
    return {"type": device, "count": given["count"]} if given["count"] else {}


def _retry(given: Settings | None, origins: Origins) -> Settings:
    """Leave out an inherited bound of the backoff that the other, asked for later, has passed."""
    if not given:
        return {}
    backoff, backoff_max = given.get("backoff"), given.get("backoff_max")
    if backoff is None or backoff_max is None:
        return given
    first_s, longest_s = parse_duration(backoff), parse_duration(backoff_max)
    if first_s is None or longest_s is None or first_s <= longest_s:
        return given
    is_first_later = _rank(origins, "/retry/backoff") > _rank(origins, "/retry/backoff_max")
    inherited = "backoff_max" if is_first_later else "backoff"
    return {key: value for key, value in given.items() if key != inherited}


def _rank(origins: Origins, path: str) -> int:
    level = origins.get(path)
    return -1 if level is None else _RANK[level]
