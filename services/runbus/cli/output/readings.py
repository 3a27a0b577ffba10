"""How `runbus why` shows the readings of pods. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from runbus.cli.output.tables import table
from runbus.reading.why import PodAnswer

_HEADERS = ("NAME", "STATE", "SINCE", "REASON", "CLASS", "WHY")


def answer_text(pods: Sequence[PodAnswer], *, with_headers: bool = True) -> str:
    """Return the readings as a table; empty text for no pods."""
    if not pods:
        return ""
    return table(_HEADERS, [_cells(pod) for pod in pods], with_headers=with_headers)


def _cells(pod: PodAnswer) -> tuple[str, ...]:
    row = pod.row
    text = pod.text
    if row.never_heals:
        text += " (never heals)"
    if pod.ends_as:
        text += f"; {pod.ends_as}"
    return (
        row.name,
        row.state.value,
        row.since or "-",
        row.reason or "-",
        row.outcome_class.value if row.outcome_class else "-",
        text,
    )
