"""The lines kept of a run's output, now or as its attempts end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from runbus.contracts.states import RunState
from runbus.contracts.status import RunStatus
from runbus.sdk.client import Client

MAIN = "main"
# Evidence follows the end of an attempt by a moment: its log has to be fetched first.
EVIDENCE_WAIT_S = 5.0
EVIDENCE_POLL_S = 0.25


async def kept_lines(
    client: Client, status: RunStatus, *, follow: bool, attempt: int | None
) -> AsyncIterator[str]:
    """Yield the lines kept of the main container, attempt by attempt.

    Args:
        client: of the bus.
        status: of the run.
        follow: wait for what is still to come, until the run is over.
        attempt: only this one's.

    """
    if not follow:
        for line in await _lines(client, status, attempt, wait_s=0.0):
            yield line
        return
    shown = 0
    async with client.events(status.project, status.run_id) as events:
        async for event in events:
            ended = event.status
            is_over = ended.state.is_final or ended.state is RunState.RETRYING
            if not is_over or ended.attempt == shown or attempt not in (None, ended.attempt):
                continue
            shown = ended.attempt
            for line in await _lines(client, ended, shown, wait_s=EVIDENCE_WAIT_S):
                yield line


async def _lines(
    client: Client, status: RunStatus, attempt: int | None, *, wait_s: float
) -> list[str]:
    """Return the lines of attempts that have ended; evidence may take a moment to come."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + wait_s
    while True:
        tails = await client.logs(status.project, status.run_id, attempt=attempt)
        mains = [each for each in tails if each.container == MAIN] or tails
        if mains or loop.time() >= give_up_at:
            return [line for each in mains for line in each.lines]
        await asyncio.sleep(EVIDENCE_POLL_S)
