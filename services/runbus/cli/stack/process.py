"""One child process: its own group, its output in a file, started again as often as wanted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from runbus.cli.stack.owner import Owner

LOG_BYTES_MAX = 16 * 1024 * 1024
TAIL_BYTES = 16 * 1024


class StackError(Exception):
    """A process of the stack did not do what it had to; the message ends with its last words."""


def first_stack_error(error: BaseException) -> StackError | None:
    """Return what went wrong with the stack, out of the groups that tasks wrap errors in."""
    if isinstance(error, StackError):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = (first_stack_error(each) for each in error.exceptions)
        return next((each for each in found if each is not None), None)
    return None


class Process:
    """A program and how to start it. Subclasses say when it is ready."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        owner: Owner,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self.command = list(command)
        self.environment = dict(environment or {})
        self._owner = owner
        self._process: asyncio.subprocess.Process | None = None
        self._owned: set[int] = set()

    @property
    def pid(self) -> int:
        """The id of the process that runs, or of the last one."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def exit_code(self) -> int | None:
        """How it ended; negative: by that signal; None while it runs."""
        return self._process.returncode if self._process is not None else None

    async def start(self) -> None:
        """Start it; it must not be running."""
        assert not self.is_running, f"{self.name} runs already"
        await self.prepare()
        with _opened(self.log) as file:
            self._process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        self._owned.add(self._process.pid)
        self._owner.owns(self._process.pid)

    async def prepare(self) -> None:
        """Do what has to be done before each start."""

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until it can be used.

        Raises:
            StackError: it ended, or was not ready in time.

        """

    async def wait(self) -> int:
        """Wait for its end; returns the exit code. May be called by several."""
        assert self._process is not None, f"{self.name} was never started"
        process = self._process
        code = await process.wait()
        if process.pid in self._owned:
            self._owned.discard(process.pid)
            self._owner.lost(process.pid)
        return code

    def terminate(self) -> None:
        """Send SIGTERM to the process: it ends its own children itself."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to the process's whole group."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def stop(self, grace_s: float) -> None:
        """End it: SIGTERM, and SIGKILL where that is not enough in time."""
        if not self.is_running:
            return
        self.terminate()
        try:
            async with asyncio.timeout(grace_s):
                await self.wait()
        except TimeoutError:
            self.kill()
            await self.wait()

    def last_words(self, lines: int = 15) -> str:
        """Return the end of its output."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            return "(it has written nothing)"
        return "\n".join(text.splitlines()[-lines:]) or "(it has written nothing)"

    def failure(self, what: str) -> StackError:
        """Return an error about it, with its last words."""
        return StackError(f"{self.name} {what}; its last words in {self.log}:\n{self.last_words()}")

    def _send(self, number: signal.Signals) -> None:
        if self.is_running and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


@contextlib.contextmanager
def _opened(log: Path) -> Iterator[BinaryIO]:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as file:
        yield file
