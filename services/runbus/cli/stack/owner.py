"""The starter's side of the guardian: tells it what is ours, so that nothing outlives us."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from runbus.cli.stack import guardian

STOP_TIMEOUT_S = 2.0


class Owner:
    """What this process has started. Make it with `start`, end it with `finish`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> Owner:
        """Start the guardian."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            guardian.__file__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        return cls(process)

    def owns(self, pid: int) -> None:
        """A process has started; it leads its own group."""
        self._tell(f"+ {pid}")

    def lost(self, pid: int) -> None:
        """It has ended."""
        self._tell(f"- {pid}")

    def owns_folder(self, folder: Path) -> None:
        """A temporary folder has been made."""
        self._tell(f"folder {folder}")

    async def finish(self) -> None:
        """Everything was ended in order."""
        self._tell("done")
        stdin = self._process.stdin
        assert stdin is not None
        stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def _tell(self, line: str) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        if not stdin.is_closing():
            stdin.write(line.encode() + b"\n")
