"""Spans and moments as people read them: `3m20s`, `2h5m`, `in 40s`. Pure."""

from __future__ import annotations

import math
from datetime import datetime

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86400


def span(seconds: float) -> str:
    """Return a span with at most two units, rounded down: `45s`, `3m20s`, `2h5m`, `3d4h`."""
    whole = int(abs(seconds))
    if whole < MINUTE_S:
        return f"{whole}s"
    if whole < HOUR_S:
        return _two(whole, MINUTE_S, "m", 1, "s")
    if whole < DAY_S:
        return _two(whole, HOUR_S, "h", MINUTE_S, "m")
    return _two(whole, DAY_S, "d", HOUR_S, "h")


def since(moment: datetime | None, now: datetime) -> str:
    """Return how long ago a moment was; `-` where there is none."""
    return span(max(0.0, (now - moment).total_seconds())) if moment is not None else "-"


def until(moment: datetime | None, now: datetime) -> str:
    """Return the time left to a moment, rounded up, `due` once it has passed; `-` for none."""
    if moment is None:
        return "-"
    left_s = (moment - now).total_seconds()
    return span(math.ceil(left_s)) if left_s > 0 else "due"


def moment_text(moment: datetime | None) -> str:
    """Return a moment in UTC to the second; `-` where there is none."""
    return moment.strftime("%Y-%m-%d %H:%M:%SZ") if moment is not None else "-"


def _two(whole: int, unit: int, name: str, next_unit: int, next_name: str) -> str:
    first, rest = divmod(whole, unit)
    second = rest // next_unit
    return f"{first}{name}{second}{next_name}" if second else f"{first}{name}"
