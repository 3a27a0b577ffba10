"""Lists of runs, as tables and as data. Pure: "now" comes in as an argument."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from runbus.cli.output.colours import coloured
from runbus.cli.output.tables import table
from runbus.cli.output.times import since, until
from runbus.contracts.status import RunStatus
from runbus.reading.launches import is_overdue
from runbus.sdk.runs import RunRecord

HEADERS = ("PROJECT", "NAME", "RUN", "STATE", "FOR", "LEFT", "WHY")
WIDE_HEADERS = (
    "PROJECT", "NAME", "RUN", "STATE", "FOR", "LEFT", "LIMIT",
    "ATTEMPT", "USER", "AGE", "NODE", "POD", "WHY",
)  # fmt: skip
NOT_CREATED = "nothing is created yet: `runbus doctor` looks for what is in the way"
_STATE = HEADERS.index("STATE")


def runs_table(
    records: Sequence[RunRecord],
    now: datetime,
    *,
    is_wide: bool = False,
    with_headers: bool = True,
    width: int | None = None,
    is_coloured: bool = False,
) -> str:
    """Return runs as a table. Wide tables are never cut.

    Args:
        records: in the order wanted.
        now: for the time in the state and the time left.
        is_wide: with the columns that few need.
        with_headers: see `tables.table`.
        width: see `tables.table`.
        is_coloured: whether states have colours.

    """

    def paint(row: int, column: int, text: str) -> str:
        return coloured(text, records[row].status.state) if column == _STATE else text

    rows = [(wide_row if is_wide else row)(each.status, now) for each in records]
    return table(
        WIDE_HEADERS if is_wide else HEADERS,
        rows,
        with_headers=with_headers,
        width=None if is_wide else width,
        paint=paint if is_coloured else None,
    )


def row(status: RunStatus, now: datetime) -> tuple[str, ...]:
    """Return the cells of a run under HEADERS."""
    return (
        status.project,
        status.name or "-",
        status.run_id,
        status.state.value,
        since(status.since, now),
        until(_waits_for(status), now),
        why_now_text(status, now),
    )


def wide_row(status: RunStatus, now: datetime) -> tuple[str, ...]:
    """Return the cells of a run under WIDE_HEADERS."""
    cells = row(status, now)
    pod = status.pods[0] if status.pods else None
    return (
        *cells[:-1],
        status.deadline_of or "-",
        str(status.attempt),
        status.user or "-",
        since(status.accepted_at or status.since, now),
        (pod.node if pod is not None else None) or "-",
        pod.name if pod is not None else "-",
        cells[-1],
    )


def why_text(status: RunStatus) -> str:
    """Return the sentence about a run, without the state that stands beside it anyway."""
    text = status.status_text or ": ".join(filter(None, (status.reason, status.message)))
    return text.removeprefix(f"{status.state.value}: ") or "-"


def why_now_text(status: RunStatus, now: datetime) -> str:
    """Return the sentence about a run as it stands: also what only the time that passes tells."""
    text = why_text(status)
    return f"{text}; {NOT_CREATED}" if is_overdue(status, now) else text


def run_data(record: RunRecord) -> dict[str, Any]:
    """Return a run as data: its status, and which event it comes from."""
    data: dict[str, Any] = msgspec.to_builtins(record.status)
    data["event"] = record.event_type
    data["sequence"] = record.sequence
    if record.updated_at is not None:
        data["updated_at"] = msgspec.to_builtins(record.updated_at)
    return data


def in_order(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Return runs for a list: those that are not over first, each part the newest first.

    By when a run was accepted, so that rows of a view that moves stay where they are.
    """
    return sorted(records, key=_place)


def _place(record: RunRecord) -> tuple[bool, float, int]:
    status = record.status
    began = status.accepted_at or status.since
    return (status.state.is_final, -began.timestamp(), -record.sequence)


def _waits_for(status: RunStatus) -> datetime | None:
    return status.not_before if status.not_before is not None else status.deadline
