"""`runbus ...` as a process of its own, with what it printed and its exit code."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

TIMEOUT_S = 60.0


class Done(Struct, frozen=True):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)

    @property
    def json_lines(self) -> list[Any]:
        """What it printed, as JSON a line."""
        return [json.loads(line) for line in self.out.splitlines()]


class Command:
    """Runs `runbus` with an environment of its own."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        inherited = {key: text for key, text in os.environ.items() if not key.startswith("RUNBUS_")}
        self._environment = {**inherited, **environment}

    async def __call__(
        self, *arguments: str, stdin: str = "", timeout_s: float = TIMEOUT_S
    ) -> Done:
        async with self.started(*arguments) as process, asyncio.timeout(timeout_s):
            out, err = await process.communicate(stdin.encode())
        return Done(process.returncode or 0, out.decode(), err.decode())

    @asynccontextmanager
    async def started(self, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Start it for the length of a block; it is killed at the end if it still runs."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "runbus.cli",
            *arguments,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # Tests that were started in the background inherit an ignored SIGINT.
            preexec_fn=_heed_ctrl_c,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
