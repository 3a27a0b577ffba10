"""One run's events as they come, and the time left: `watch RUN` on a terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime

from rich.console import RenderableType

from runbus.cli.live.screen import draw_while
from runbus.cli.live.view import timeline
from runbus.contracts.states import RunState
from runbus.sdk.runs import EventRecord

EVENTS_KEPT_MAX = 500


async def show_timeline(events: AsyncIterator[EventRecord]) -> RunState:
    """Show a run until its events end; returns its last state."""
    seen: deque[EventRecord] = deque(maxlen=EVENTS_KEPT_MAX)

    async def read() -> RunState:
        async for event in events:
            seen.append(event)
        return seen[-1].status.state if seen else RunState.UNKNOWN

    def view(now: datetime, rows_max: int) -> RenderableType:
        return timeline(list(seen), now, rows_max=rows_max)

    return await draw_while(read(), view)
