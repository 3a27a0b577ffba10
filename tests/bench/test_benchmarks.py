"""Every benchmark runs, tiny and untimed, and gives every figure that has a goal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.__main__ import main, run_one
from bench.benchmarks import BENCHMARKS
from bench.figures import Figure, Goal, Judged, Report, judge, quantile, read_goals, spread
from bench.settings import Scale
from bench.standin.api import selector_of
from bench.table import summary, table

# They need a larger size, or data that may not be at hand.
NOT_AT_THIS_SIZE = {
    "publishing": {"ratio_256"},
    "timers": {"lateness_large_p99", "all_large_p99"},
    "failover": {"late_middle_max", "late_large_max"},
    "live": {"late_large_p99", "start_watcher_large", "peak_watcher_large"},
    "reading": {"recorded_own_ratio"},
    "submitting": {"request_local_p50", "command_local_p50", "bare_local_p50"},
    "throughput": {"pods_local"},
}
ON_A_CONTROL_PLANE = {"launching"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs_and_gives_the_figures_that_have_goals(
    name: str, request: pytest.FixtureRequest
) -> None:
    goals = read_goals()
    if name in ON_A_CONTROL_PLANE:
        request.getfixturevalue("kube_binaries")

    report = run_one(name, Scale.SMOKE, goals)

    assert (report.failure, report.skipped) == (None, None)
    given = {each.figure.key for each in report.figures}
    assert len(given) == len(report.figures), "a figure's key is its own"
    assert goals[name].keys() - given - NOT_AT_THIS_SIZE.get(name, set()) == set()


def test_a_benchmark_without_its_control_plane_says_what_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    report = run_one("launching", Scale.SMOKE, read_goals())

    assert report.skipped is not None
    assert "`make kube` builds it" in report.skipped
    assert f"SKIPPED: {report.skipped}" in table(report)
    assert f"launching: {report.skipped}" in summary([report])


def test_every_goal_belongs_to_a_benchmark() -> None:
    assert read_goals().keys() - BENCHMARKS.keys() == set()


@pytest.mark.parametrize(
    ("better", "value", "met"),
    [("less", 9.0, True), ("less", 11.0, False), ("more", 11.0, True), ("more", 9.0, False)],
)
def test_a_goal_is_met_on_its_better_side(better: str, value: float, met: bool) -> None:
    goal = Goal(better="less" if better == "less" else "more", goal=10.0)
    assert goal.met_by(value) is met


def test_a_figure_without_a_goal_is_neither_met_nor_missed() -> None:
    (found,) = judge([Figure(key="a", title="a", value=1.0, unit="s")], {})
    assert found.ok is None


def test_a_quantile_is_one_of_the_values() -> None:
    values = [float(each) for each in range(1, 101)]
    assert [quantile(values, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]


def test_the_p99_of_few_values_is_the_largest() -> None:
    assert [each.value for each in spread("a", "a", [3.0, 1.0])] == [1.0, 3.0, 3.0]


def test_a_missed_goal_is_told_loudly() -> None:
    figure = Figure(key="a", title="lateness", value=60.0, unit="ms")
    missed = Judged(figure=figure, goal=Goal(better="less", goal=50.0), ok=False)
    report = Report(name="timers", took_s=1.0, figures=(missed,))

    assert "MISSED" in table(report)
    assert "timers: lateness: 60 ms (goal <= 50)" in summary([report])


@pytest.mark.parametrize(
    ("selector", "labels", "selected"),
    [
        ("", {}, True),
        ("shard", {"shard": "00"}, True),
        ("shard", {}, False),
        ("run=a", {"run": "a"}, True),
        ("run=a", {"run": "b"}, False),
        ("shard in (00, 01),run", {"shard": "01", "run": "a"}, True),
        ("shard in (00, 01),run", {"shard": "02", "run": "a"}, False),
    ],
)
def test_the_stand_in_selects_by_labels(
    selector: str, labels: dict[str, str], selected: bool
) -> None:
    assert selector_of(selector)(labels) is selected


def test_the_results_are_plain_json(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    assert main(["rendering", "--scale=smoke", "--json", str(path)]) == 0

    found = json.loads(path.read_text())
    assert [each["name"] for each in found["benchmarks"]] == ["rendering"]
    assert found["conditions"]["scale"] == "smoke"
