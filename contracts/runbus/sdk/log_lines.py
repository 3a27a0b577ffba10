"""A run's output line by line: from its pod while there is one, else from what was kept of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from runbus.contracts.states import RunState
from runbus.contracts.status import RunStatus
from runbus.sdk.client import Client
from runbus.sdk.log_sources import LogSource, LogUnavailableError

MAIN = "main"
# Evidence follows the end of an attempt by a moment: its log has to be fetched first.
EVIDENCE_WAIT_S = 5.0
EVIDENCE_POLL_S = 0.25


class LogLines:
    """Reads the output of one run; `source` is where pods can be read, if anywhere."""

    def __init__(self, client: Client, status: RunStatus, source: LogSource | None) -> None:
        self._client = client
        self._status = status
        self._source = source

    async def now(self, attempt: int | None) -> AsyncIterator[str]:
        """Yield what there is: kept of the attempts that are over, and written so far."""
        for line in await self._kept(self._status, attempt, wait_s=_wait_s(self._status)):
            yield line
        running = self._status.attempt
        if not self._status.state.is_final and running and attempt in (None, running):
            async for line in self._live(self._status, follow=False):
                yield line

    async def following(self, attempt: int | None) -> AsyncIterator[str]:
        """Yield the output of each attempt as it is written, until the run is over.

        Where its pod cannot be read, what is kept of it comes when the attempt has ended.
        """
        told, read = 0, False
        async with self._client.events(self._status.project, self._status.run_id) as events:
            async for event in events:
                status = event.status
                if attempt not in (None, status.attempt) or status.attempt == told:
                    continue
                if status.state is RunState.RUNNING:
                    async for line in self._live(status, follow=True):
                        read = True
                        yield line
                is_over = status.state.is_final or status.state is RunState.RETRYING
                if is_over and not read:
                    for line in await self._kept(status, status.attempt, wait_s=EVIDENCE_WAIT_S):
                        yield line
                if is_over:
                    told, read = status.attempt, False

    async def _live(self, status: RunStatus, *, follow: bool) -> AsyncIterator[str]:
        """Yield what stands in the pod; nothing where it cannot be read."""
        if self._source is None:
            return
        try:
            async for line in self._source.lines(status, status.attempt, follow=follow):
                yield line
        except LogUnavailableError:
            return

    async def _kept(self, status: RunStatus, attempt: int | None, *, wait_s: float) -> list[str]:
        """Return the lines kept of attempts that have ended; evidence may take a moment to come."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + wait_s
        while True:
            tails = await self._client.logs(status.project, status.run_id, attempt=attempt)
            mains = [each for each in tails if each.container == MAIN] or tails
            if mains or loop.time() >= give_up_at:
                return [line for each in mains for line in each.lines]
            await asyncio.sleep(EVIDENCE_POLL_S)


def _wait_s(status: RunStatus) -> float:
    """Return how long evidence may still be on its way: a moment, of a run that has just ended."""
    if not status.state.is_final or status.attempt == 0:
        return 0.0
    left = status.since + timedelta(seconds=EVIDENCE_WAIT_S) - datetime.now(UTC)
    return max(0.0, left.total_seconds())
