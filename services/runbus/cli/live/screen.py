"""Drawing a view again and again, while something else keeps its data up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from rich.console import Console, RenderableType
from rich.live import Live

T = TypeVar("T")

REDRAW_S = 0.25
# Lines that a view leaves to the prompt and to its own last line.
SPARE_LINES = 4

View = Callable[[datetime, int], RenderableType]


async def draw_while(work: Coroutine[Any, Any, T], view: View) -> T:
    """Draw a view until the work beside it is done; its last picture stays.

    Args:
        work: keeps the data up to date.
        view: draws it: (now, how many rows there is room for).

    """
    console = Console(highlight=False)

    def picture() -> RenderableType:
        return view(datetime.now(UTC), max(1, console.size.height - SPARE_LINES))

    async def redraw(live: Live) -> None:
        while True:
            await asyncio.sleep(REDRAW_S)
            live.update(picture(), refresh=True)

    with Live(picture(), console=console, auto_refresh=False) as live:
        async with asyncio.TaskGroup() as tasks:
            drawing = tasks.create_task(redraw(live))
            result = await work
            drawing.cancel()
        live.update(picture(), refresh=True)
    return result
