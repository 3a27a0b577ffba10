"""What a moving view looks like at one moment. Pure: "now" comes in as an argument."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from runbus.cli.output.colours import name_of
from runbus.cli.output.events import event_line
from runbus.cli.output.runs import in_order, why_now_text
from runbus.cli.output.times import since, until
from runbus.contracts.deadlines import clock_start, state_threshold
from runbus.contracts.states import RunState, Threshold
from runbus.contracts.status import RunStatus
from runbus.sdk.runs import EventRecord, RunRecord

BAR_CELLS = 12
_FULL, _EMPTY = "━", "╌"
# How much of a limit is used up when its bar changes colour.
_WORTH_A_LOOK = 0.6
_NEARLY = 0.85


def board(records: Sequence[RunRecord], now: datetime, *, rows_max: int) -> RenderableType:
    """Return a table of runs with a bar for each armed limit.

    Args:
        records: in any order.
        now: for the bars.
        rows_max: more than these are only counted.

    """
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for header, ratio in (
        ("NAME", None), ("RUN", None), ("STATE", None), ("FOR", None), ("LIMIT", None),
        ("LEFT", None), ("WHY", 1),
    ):  # fmt: skip
        table.add_column(header, ratio=ratio, no_wrap=True, overflow="ellipsis")
    ordered = in_order(records)
    for record in ordered[:rows_max]:
        table.add_row(*_cells(record, now))
    hidden = len(ordered) - rows_max
    if not ordered:
        return Text("no runs yet", style="dim")
    return Group(table, Text(f"and {hidden} more", style="dim")) if hidden > 0 else table


def timeline(events: Sequence[EventRecord], now: datetime, *, rows_max: int) -> RenderableType:
    """Return a run's events, newest last, and below them where it stands now."""
    if not events:
        return Text("waiting for the first event", style="dim")
    lines: list[RenderableType] = []
    for event in events[-rows_max:]:
        style = name_of(event.status.state)
        lines.append(
            Text(event_line(event, with_run=False), style=style, no_wrap=True, overflow="ellipsis")
        )
    lines.append(_standing(events[-1].status, now))
    return Group(*lines)


def limit_bar(status: RunStatus, now: datetime) -> Text:
    """Return how much of the next limit is used up; in words where no limit counts now."""
    if status.deadline is None or status.deadline_of is None:
        return Text(_without_bar(status), style="dim")
    start = clock_start(status, Threshold(status.deadline_of))
    whole_s = (status.deadline - start).total_seconds()
    used = min(1.0, max(0.0, (now - start).total_seconds() / whole_s)) if whole_s > 0 else 1.0
    cells = round(used * BAR_CELLS)
    return Text.assemble((_FULL * cells, _colour(used)), (_EMPTY * (BAR_CELLS - cells), "dim"))


def _colour(used: float) -> str:
    if used >= _NEARLY:
        return "red"
    return "yellow" if used >= _WORTH_A_LOOK else "green"


def _without_bar(status: RunStatus) -> str:
    if status.state.is_final or status.state is RunState.ABORTING:
        return ""
    if status.state is RunState.RETRYING:
        return "backoff"
    key = state_threshold(status.state)
    limit = status.thresholds.get(key.value) if key is not None else None
    if limit is not None and limit.paused_at is not None:
        return "paused"
    return "no limit"


def _cells(record: RunRecord, now: datetime) -> tuple[Text, ...]:
    status = record.status
    waits_for = status.not_before if status.state is RunState.RETRYING else status.deadline
    return (
        Text(status.name or "-"),
        Text(record.ref, style="dim"),
        Text(status.state.value, style=name_of(status.state)),
        Text(since(status.since, now)),
        limit_bar(status, now),
        Text(until(waits_for, now)),
        Text(" ".join(why_now_text(status, now).split())),
    )


def _standing(status: RunStatus, now: datetime) -> Text:
    if status.state.is_final:
        return Text("")
    line = Text.assemble(
        (f"{status.state.value}", f"bold {name_of(status.state)}"),
        f" for {since(status.since, now)}  ",
    )
    line.append_text(limit_bar(status, now))
    if status.deadline is not None:
        left = until(status.deadline, now)
        told = "is due" if left == "due" else f"{left} left"
        line.append(f"  {told} ({status.deadline_of})")
    return line
