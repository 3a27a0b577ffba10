"""Running a command's coroutine: Ctrl-C detaches, `--timeout` gives up; the run goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from runbus.cli.exits import Exit
from runbus.cli.output.printing import say
from runbus.cli.problems import CliError

T = TypeVar("T")


def run_async(
    work: Coroutine[Any, Any, T], *, if_interrupted: Callable[[], str] | None = None
) -> T:
    """Run a coroutine to its end.

    Args:
        work: the command.
        if_interrupted: what to say on Ctrl-C, before the exit with 130.

    """
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        if if_interrupted is not None:
            say(if_interrupted())
        raise


@asynccontextmanager
async def limited(timeout_s: float | None, waited_for: str) -> AsyncIterator[None]:
    """Limit a block by the user's `--timeout`.

    Raises:
        CliError: the time ran out (exit code 124).

    """
    try:
        async with asyncio.timeout(timeout_s) as scope:
            yield
    except TimeoutError as error:
        if not scope.expired():
            raise
        raise CliError(
            f"--timeout ran out while waiting for {waited_for}",
            way_out="the run goes on: `runbus watch RUN` shows it",
            code=Exit.TIMEOUT,
        ) from error


def detached(ref: str) -> str:
    """Return what Ctrl-C answers while a command follows a run."""
    return f"detached, the run goes on: runbus watch {ref}"
