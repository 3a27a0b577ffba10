"""What is written about metrics: in the alert rules, on the dashboard, and on the page about them.

``promtool()`` finds Prometheus' own checker, where `make promtool` or the system has put it.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from prometheus_client import Metric

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
DASHBOARD = ROOT / "deploy" / "grafana" / "runbus.json"
PAGE = ROOT / "docs" / "observing.md"

_METRIC = re.compile(r"\b(?:runbus|process)_[a-z0-9_]+")
_ROW = re.compile(r"^\| `(?P<name>[a-z_]+)` \| (?P<type>\w+) \|(?P<labels>.*?)\| (?P<about>.*) \|$")
# What one metric is called in expressions, by the sort of value.
_ENDINGS = ("", "_total", "_bucket", "_count", "_sum", "_info")


class Described(Struct, frozen=True, kw_only=True):
    """A metric as the page describes it."""

    name: str
    type: str
    labels: tuple[str, ...]
    about: str


def alerts() -> list[dict[str, Any]]:
    """Return the alert rules."""
    found = msgspec.yaml.decode(ALERTS.read_bytes())
    return [rule for group in found["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Return the dashboard's panels."""
    found: list[dict[str, Any]] = msgspec.json.decode(DASHBOARD.read_bytes())["panels"]
    return found


def expressions_of_panels() -> list[str]:
    """Return what the dashboard asks Prometheus for."""
    return [target["expr"] for panel in panels() for target in panel.get("targets", ())]


def names_in(expression: str) -> set[str]:
    """Return the metrics that an expression names."""
    return set(_METRIC.findall(expression))


def names_of(metric: str) -> set[str]:
    """Return every name under which a metric's samples can be asked for."""
    return {metric + ending for ending in _ENDINGS}


def described() -> dict[str, Described]:
    """Return the metrics in the page's table."""
    found: dict[str, Described] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        row = _ROW.match(line)
        if row is not None:
            labels = tuple(re.findall(r"`([a-z_]+)`", row["labels"]))
            found[row["name"]] = Described(
                name=row["name"], type=row["type"], labels=labels, about=row["about"]
            )
    return found


def promtool() -> str | None:
    """Return the path of promtool; None where there is none."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = cache / "runbus" / "prometheus" / "usr" / "bin" / "promtool"
    return str(kept) if kept.exists() else shutil.which("promtool")


def total(family: Metric, **labels: str) -> float:
    """Return the sum of a counter's samples that have some labels."""
    return sum(
        sample.value
        for sample in family.samples
        if sample.name.endswith("_total") and labels.items() <= sample.labels.items()
    )
