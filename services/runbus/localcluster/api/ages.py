"""Ages the way kubectl writes them. Pure; time comes in."""

from typing import Any

from runbus.localcluster.rules.timestamps import from_time

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400


def duration(seconds: float) -> str:
    """45s, 3m10s, 25m, 5h2m, 30h, 3d4h, 90d, 2y10d (duration.HumanDuration)."""
    whole = max(int(seconds), 0)
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    if whole < 10 * _MINUTE:
        return _two(whole, _MINUTE, "m", 1, "s")
    if whole < 3 * _HOUR:
        return f"{whole // _MINUTE}m"
    if whole < 8 * _HOUR:
        return _two(whole, _HOUR, "h", _MINUTE, "m")
    if whole < 2 * _DAY:
        return f"{whole // _HOUR}h"
    if whole < 8 * _DAY:
        return _two(whole, _DAY, "d", _HOUR, "h")
    if whole < 2 * _YEAR:
        return f"{whole // _DAY}d"
    if whole < 8 * _YEAR:
        return _two(whole, _YEAR, "y", _DAY, "d")
    return f"{whole // _YEAR}y"


def _two(whole: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    rest = whole % large // small
    return f"{whole // large}{large_unit}" + (f"{rest}{small_unit}" if rest else "")


def ago(moment: Any, now_s: float) -> str:
    """How long ago a time stamp was; what is no time is shown as such."""
    if not moment:
        return "<unknown>"
    try:
        return duration(now_s - from_time(str(moment)))
    except ValueError:  # written by a client
        return "<invalid>"


def age_of(obj: dict[str, Any], now_s: float) -> str:
    """How old an object is."""
    return ago(obj["metadata"]["creationTimestamp"], now_s)
