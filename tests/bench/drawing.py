"""Draw the results: growth with live runs, and times beside MLRun's. Needs matplotlib, not runbus.

make bench-drawing          from .bench/results.json into docs/benchmarks
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

mpl.use("Agg")

SIZES = ("small", "middle", "large")
OURS, THEIRS, GOAL = "#1f6f8b", "#c9a227", "#b23a48"

# Benchmark, figure, what it is; MLRun's value stands with the goal.
BESIDE_MLRUN = (
    ("submitting", "request_standin_p50", "submit to pod, p50", "ms"),
    ("deadlines", "single_standin_delete_p50", "deadline to DELETE, p50", "ms"),
    ("deadlines", "wave_delete_p50", "200 at once: to DELETE, p50", "ms"),
    ("deadlines", "wave_delete_max", "200 at once: to DELETE, max", "ms"),
    ("deadlines", "single_standin_aborted_p50", "pod gone to aborted, p50", "ms"),
    ("deadlines", "single_standin_completed_p50", "Succeeded to completed, p50", "ms"),
    ("deadlines", "wave_completed_max", "the same during the wave, max", "ms"),
)

Judged = dict[str, Any]
Results = Mapping[str, Mapping[str, Judged]]


def main() -> None:
    """Draw both pictures."""
    parser = argparse.ArgumentParser(prog="drawing")
    parser.add_argument("results", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    read = json.loads(options.results.read_text(encoding="utf-8"))
    results = {
        each["name"]: {judged["figure"]["key"]: judged for judged in each["figures"]}
        for each in read["benchmarks"]
    }
    conditions = _conditions(read["conditions"])
    options.folder.mkdir(parents=True, exist_ok=True)
    if "live" in results:
        _draw_growth(results, conditions, options.folder / "growth.png")
    if "deadlines" in results and "submitting" in results:
        _draw_beside_mlrun(results, conditions, options.folder / "latency.png")


def _conditions(found: Mapping[str, str]) -> str:
    versions = f"Python {found['python']}, nats-server {found['nats-server']}"
    load = found["load before (1, 5, 15 min)"]
    return f"{found['taken']}  {found['cpu']}  {versions}  load before {load}  {found['scale']}"


def _draw_growth(results: Results, conditions: str, path: Path) -> None:
    live = results["live"]
    sizes = [size for size in SIZES if f"runs_{size}" in live]
    figure, axes = plt.subplots(2, 2, figsize=(11, 7.5))
    panels: tuple[tuple[str, str, dict[str, str], str], ...] = (
        (
            "seconds until ready",
            "s",
            {"start_watcher": "state-watcher", "start_scheduler": "scheduler"},
            "start_watcher_large",
        ),
        (
            "memory at its peak",
            "MiB",
            {"peak_watcher": "state-watcher", "peak_scheduler": "scheduler"},
            "peak_watcher_large",
        ),
        (
            "CPU for one of them",
            "us",
            {
                "touch_watcher": "state-watcher, a pod's change",
                "end_watcher": "state-watcher, a run's end",
                "end_server": "nats-server, a run's end",
                "admit_scheduler": "scheduler, an admission",
            },
            "",
        ),
        (
            "deadline to AbortRun",
            "ms",
            {"late_{}_p50": "p50", "late_{}_p99": "p99", "late_{}_max": "max"},
            "late_large_p99",
        ),
    )
    for axis, (title, unit, lines, goal) in zip(axes.flat, panels, strict=True):
        for key, label in lines.items():
            keys = [key.format(size) if "{}" in key else f"{key}_{size}" for size in sizes]
            runs = _values(live, [f"runs_{size}" for size in sizes])
            axis.plot(runs, _values(live, keys), marker="o", label=label)
        if goal in live and live[goal]["goal"]:
            axis.axhline(live[goal]["goal"]["goal"], color=GOAL, linestyle="--", label="goal")
        axis.set(title=title, xscale="log", xlabel="live runs", ylabel=unit)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.suptitle("What live runs cost")
    _save(figure, conditions, path)


def _draw_beside_mlrun(results: Results, conditions: str, path: Path) -> None:
    rows = [row for row in BESIDE_MLRUN if row[1] in results[row[0]]]
    figure, axis = plt.subplots(figsize=(11, 5.5))
    for place, (benchmark, key, _, unit) in enumerate(rows):
        judged = results[benchmark][key]
        _bar(axis, place - 0.2, judged["figure"]["value"], OURS, unit)
        if judged["goal"] and judged["goal"]["mlrun"]:
            _bar(axis, place + 0.2, judged["goal"]["mlrun"], THEIRS, unit)
    axis.set_yticks(range(len(rows)), [row[2] for row in rows])
    axis.invert_yaxis()
    axis.set(xscale="log", xlabel="ms, logarithmic")
    axis.set_xlim(0.1, 2_000_000)
    axis.grid(axis="x", alpha=0.3)
    axis.barh(0, 0, color=OURS, label="runbus, on the stand-in")
    axis.barh(0, 0, color=THEIRS, label="MLRun 1.7, measured elsewhere on a real kube-apiserver")
    axis.legend(loc="upper right", fontsize=8)
    figure.suptitle("How long things take")
    _save(figure, conditions, path)


def _bar(axis: Any, place: float, value: float, color: str, unit: str) -> None:
    axis.barh(place, value, height=0.36, color=color)
    axis.text(
        value * 1.15,
        place,
        f"{value:,.{0 if value >= 100 else 1}f} {unit}",
        va="center",
        fontsize=8,
    )


def _values(found: Mapping[str, Judged], keys: Sequence[str]) -> list[float]:
    return [float(found[key]["figure"]["value"]) for key in keys]


def _save(figure: Any, conditions: str, path: Path) -> None:
    figure.text(0.01, 0.005, conditions, fontsize=6.5, color="#555555")
    figure.tight_layout(rect=(0, 0.02, 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
