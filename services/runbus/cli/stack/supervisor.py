"""Starts again what dies, with a growing wait, and gives up on what keeps dying."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from runbus.cli.stack.process import Process, StackError

BACKOFF_S = 0.5
BACKOFF_MAX_S = 10.0
WINDOW_S = 120.0
RESTARTS_MAX = 5
# What a service answers to settings that it cannot use: the next start would end the same way.
UNUSABLE_SETTINGS = 2
READY_TIMEOUT_S = 60.0

Tell = Callable[[str], None]


async def supervise(processes: Sequence[Process], tell: Tell) -> None:
    """Keep processes running until cancelled.

    Raises:
        StackError: one died too often within two minutes, or cannot use its settings.

    """
    async with asyncio.TaskGroup() as tasks:
        for process in processes:
            tasks.create_task(_keep(process, tell))


async def _keep(process: Process, tell: Tell) -> None:
    loop = asyncio.get_running_loop()
    deaths: deque[float] = deque(maxlen=RESTARTS_MAX)
    while True:
        code = await process.wait()
        if code == UNUSABLE_SETTINGS:
            raise process.failure("cannot use its settings")
        now = loop.time()
        if len(deaths) == RESTARTS_MAX and now - deaths[0] < WINDOW_S:
            raise process.failure(f"keeps dying (more than {RESTARTS_MAX} times in {WINDOW_S:g} s)")
        deaths.append(now)
        recent = sum(1 for moment in deaths if now - moment < WINDOW_S)
        wait_s = min(BACKOFF_S * 2 ** (recent - 1), BACKOFF_MAX_S)
        tell(f"{process.name} ended with {_ending(code)}; starting it again in {wait_s:g} s")
        await asyncio.sleep(wait_s)
        await process.start()
        try:
            await process.wait_ready(READY_TIMEOUT_S)
        except StackError as error:
            tell(str(error))
        else:
            tell(f"{process.name} is ready again")


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
