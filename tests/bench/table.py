"""The table on standard output: figure, value, goal, and what MLRun took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench.figures import Judged, Report

HEADER = ("figure", "value", "goal", "", "MLRun *")
FOOTNOTE = (
    "* measured elsewhere (MLRun 1.7 with a real kube-apiserver 1.20 on 2 other cores): for scale."
)
_VERDICTS = {True: "ok", False: "MISSED", None: ""}


def table(report: Report) -> str:
    """Return one benchmark's figures as lines."""
    title = f"{report.name}  ({report.took_s:.0f} s)"
    lines = [title, "=" * len(title), *_told(report.conditions)]
    if report.failure is not None:
        return "\n".join([*lines, f"FAILED: {report.failure}", ""])
    if report.skipped is not None:
        return "\n".join([*lines, f"SKIPPED: {report.skipped}", ""])
    rows = [HEADER, *(_row(each) for each in report.figures)]
    return "\n".join([*lines, *_aligned(rows), ""])


def heading(conditions: Mapping[str, str]) -> str:
    """Return the machine's conditions as lines."""
    return "\n".join([*_told(conditions), ""])


def summary(reports: Iterable[Report]) -> str:
    """Return what was missed or failed, one line each."""
    found = list(reports)
    missed = [
        f"  {report.name}: {_row(each)[0]}: {_row(each)[1]} (goal {_row(each)[2]})"
        for report in found
        for each in report.figures
        if each.ok is False
    ]
    failed = [f"  {each.name}: {each.failure}" for each in found if each.failure is not None]
    skipped = [f"  {each.name}: {each.skipped}" for each in found if each.skipped is not None]
    held = sum(1 for report in found for each in report.figures if each.ok)
    told = f"{held} goals met, {len(missed)} MISSED, {len(failed)} FAILED, {len(skipped)} skipped"
    return "\n".join([FOOTNOTE, "", told, *missed, *failed, *skipped, ""])


def _told(conditions: Mapping[str, str]) -> list[str]:
    width = max((len(name) for name in conditions), default=0)
    return [f"  {name:<{width}}  {text}" for name, text in conditions.items()]


def _row(judged: Judged) -> tuple[str, ...]:
    figure, goal = judged.figure, judged.goal
    value = f"{_number(figure.value)} {figure.unit}"
    if figure.low is not None and figure.high is not None:
        value += f" ({_number(figure.low)}..{_number(figure.high)})"
    sign = {"less": "<=", "more": ">="}[goal.better] if goal is not None else ""
    return (
        figure.title,
        value,
        f"{sign} {_number(goal.goal)}" if goal is not None and goal.goal is not None else "",
        _VERDICTS[judged.ok],
        _number(goal.mlrun) if goal is not None and goal.mlrun is not None else "",
    )


def _number(value: float) -> str:
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *others = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        lines.append("  ".join([f"  {first}", *others]).rstrip())
    return [lines[0], "  " + "-" * (sum(widths) + 2 * len(widths)), *lines[1:]]
