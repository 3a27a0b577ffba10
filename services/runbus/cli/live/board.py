"""The table of many runs that moves: `list -w`, `watch --all` and the demo on a terminal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime

from rich.console import RenderableType

from runbus.cli.live.screen import draw_while
from runbus.cli.live.view import board
from runbus.sdk.runs import RunRecord


async def show_board(
    changes: AsyncIterator[list[RunRecord]],
    *,
    wanted: Callable[[RunRecord], bool] = lambda _record: True,
) -> None:
    """Show runs until the changes end, or for ever.

    Args:
        changes: all runs first, then those that changed.
        wanted: which are shown, as they stand.

    """
    known: dict[str, RunRecord] = {}

    async def read() -> None:
        async for records in changes:
            known.update((each.ref, each) for each in records)

    def view(now: datetime, rows_max: int) -> RenderableType:
        shown = [each for each in known.values() if wanted(each)]
        return board(shown, now, rows_max=rows_max)

    await draw_while(read(), view)


async def until_all_over(
    changes: AsyncIterator[list[RunRecord]], runs: Iterable[tuple[str, str]]
) -> AsyncIterator[list[RunRecord]]:
    """Yield the changes of some runs (project, run id), and end once all of them are over."""
    wanted = set(runs)
    waiting = set(wanted)
    async for records in changes:
        own = [each for each in records if (each.status.project, each.status.run_id) in wanted]
        if own:
            yield own
        waiting -= {
            (each.status.project, each.status.run_id) for each in own if each.status.state.is_final
        }
        if not waiting:
            return
