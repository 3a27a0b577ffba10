"""What a benchmark measures, and how it is held against the goals, which are data.

A figure has a key that stays the same whatever the size of the run; its title tells the size. It
must not know how anything is measured or shown.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Literal

import msgspec
from msgspec import Struct

GOALS_FILE = Path(__file__).with_name("goals.toml")


class NotHereError(Exception):
    """What a benchmark needs is not on this machine; the message says what brings it."""


class Figure(Struct, frozen=True, kw_only=True):
    """One measured value. `low` and `high` are the extremes of its repeats."""

    key: str
    title: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None


class Goal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a figure is held against: our goal, and what MLRun took, measured elsewhere."""

    better: Literal["less", "more"]
    goal: float | None = None
    mlrun: float | None = None

    def met_by(self, value: float) -> bool | None:
        """Whether a value meets the goal; None where there is none."""
        if self.goal is None:
            return None
        return value <= self.goal if self.better == "less" else value >= self.goal


class Judged(Struct, frozen=True, kw_only=True):
    """A figure with its goal. `ok` is None where there is no goal."""

    figure: Figure
    goal: Goal | None
    ok: bool | None


class Outcome(Struct, frozen=True, kw_only=True):
    """What a benchmark returns. `conditions` are its own, beside those of the machine."""

    figures: tuple[Figure, ...]
    conditions: Mapping[str, str] = {}


class Report(Struct, frozen=True, kw_only=True):
    """One benchmark of a run. `failure`, `skipped`: why there are no figures."""

    name: str
    took_s: float
    conditions: Mapping[str, str] = {}
    figures: tuple[Judged, ...] = ()
    failure: str | None = None
    skipped: str | None = None


Goals = dict[str, dict[str, Goal]]


def read_goals(path: Path = GOALS_FILE) -> Goals:
    """Return the goals by benchmark and key."""
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Goals)


def judge(figures: Iterable[Figure], goals: Mapping[str, Goal]) -> tuple[Judged, ...]:
    """Hold figures against the goals of their benchmark."""
    return tuple(
        Judged(figure=each, goal=goal, ok=goal.met_by(each.value) if goal else None)
        for each in figures
        for goal in (goals.get(each.key),)
    )


def of_repeats(key: str, title: str, values: Sequence[float], unit: str) -> Figure:
    """Return the median of repeats as a figure, with their extremes."""
    return Figure(
        key=key, title=title, value=median(values), unit=unit, low=min(values), high=max(values)
    )


def spread(key: str, title: str, values: Sequence[float], unit: str = "ms") -> list[Figure]:
    """Return p50, p99 and the largest of many values as three figures."""
    found = {"p50": quantile(values, 0.5), "p99": quantile(values, 0.99), "max": max(values)}
    return [
        Figure(key=f"{key}_{name}", title=f"{title}, {name}", value=value, unit=unit)
        for name, value in found.items()
    ]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)]
