"""Which fate each of the demo's documents must meet. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from runbus.cli.output.runs import why_text
from runbus.cli.output.tables import table
from runbus.contracts.states import RunState
from runbus.contracts.status import RunStatus


class Fate(Struct, frozen=True, kw_only=True):
    """How a run must end; `aborted_in` is the state in which it was stuck."""

    document: str
    name: str
    state: RunState
    aborted_in: RunState | None = None

    @property
    def has_run(self) -> bool:
        """Whether its program ran, so that there is a log."""
        return self.state is RunState.COMPLETED or self.aborted_in is RunState.RUNNING


FATES: tuple[Fate, ...] = (
    Fate(document="1-train.yaml", name="train", state=RunState.COMPLETED),
    Fate(document="2-refused.yaml", name="refused", state=RunState.REJECTED),
    Fate(
        document="3-too-big.yaml",
        name="too-big",
        state=RunState.ABORTED,
        aborted_in=RunState.PENDING_NOT_SCHEDULED,
    ),
    Fate(
        document="4-no-image.yaml",
        name="no-image",
        state=RunState.ABORTED,
        aborted_in=RunState.IMAGE_PULL_BACKOFF,
    ),
    Fate(
        document="5-too-long.yaml",
        name="too-long",
        state=RunState.ABORTED,
        aborted_in=RunState.RUNNING,
    ),
)


def is_met(fate: Fate, status: RunStatus | None) -> bool:
    """Say whether a run ended as it must."""
    if status is None or status.state is not fate.state:
        return False
    stuck_in = status.abort.state if status.abort is not None else None
    return fate.aborted_in is None or fate.aborted_in is stuck_in


def summary(statuses: Mapping[str, RunStatus]) -> str:
    """Return what became of each document, and whether that is as it should be.

    Args:
        statuses: the last one of each run, by document.

    """
    rows = [_row(fate, statuses.get(fate.document)) for fate in FATES]
    return table(("RUN", "FATE", "WHY", "AS EXPECTED"), rows)


def _row(fate: Fate, status: RunStatus | None) -> tuple[str, ...]:
    if status is None:
        return (fate.name, "unknown", "it was never heard of", "no")
    expected = "yes" if is_met(fate, status) else f"no: {fate.state.value} was"
    return (fate.name, status.state.value, why_text(status), expected)
