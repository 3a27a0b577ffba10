"""Process groups: started, recorded, signalled, and never left behind.

Each container is a session and process group of its own. Its id and start time are written to
``groups/`` before anything else happens, and told to the guardian (``guardian.py``), which kills
the groups when this process is gone. Groups found at the next start are killed after their start
time was compared, so that a stranger with a reused id is never hit.
"""

import asyncio
import contextlib
import os
import pathlib
import signal
import sys
from collections.abc import Callable, Mapping
from typing import IO

import structlog

from runbus.localcluster.runner import guardian

_log = structlog.get_logger("runner")
_PIPE_END_S = 1.0


class StartError(Exception):
    """The program could not be started; the message is containerd's."""


class _Output(asyncio.Protocol):
    """Passes what a process writes on; knows when nothing more can come."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self._take(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.ended.set()


class RunningProcess:
    """One started container."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        output: _Output,
        pipe: asyncio.BaseTransport,
        forget: Callable[[int], None],
    ) -> None:
        self._process = process
        self._output = output
        self._pipe = pipe
        self._forget = forget

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its group."""
        return self._process.pid

    async def wait(self) -> int:
        """Wait for the main process; kill what is left of its group; give the return code."""
        try:
            returncode = await self._process.wait()
        finally:
            kill_group(self.pid)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PIPE_END_S):
                await self._output.ended.wait()
        self._pipe.close()
        self._forget(self.pid)
        return returncode

    def terminate(self) -> None:
        """SIGTERM to the main process, as a kubelet signals a container's first process."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        kill_group(self.pid)


def kill_group(pgid: int) -> None:
    """SIGKILL a group; one that is gone is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, signal.SIGKILL)


class Processes:
    """Starts processes and keeps the record of their groups in a folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._guardian: IO[bytes] | None = None
        self._groups: set[int] = set()

    async def open(self) -> None:
        """Kill what an earlier run left, and start the guardian."""
        left = await asyncio.to_thread(self._kill_leftovers)
        if left:
            _log.warning("killed processes of an earlier run", groups=left)
        await self._start_guardian()

    def _kill_leftovers(self) -> int:
        """Kill the groups that an earlier run left; gives how many there were."""
        self._folder.mkdir(parents=True, exist_ok=True)
        killed = 0
        for record in self._folder.iterdir():
            if record.name.isdigit():
                killed += guardian.kill_recorded(int(record.name), record.read_text().strip())
            record.unlink(missing_ok=True)
        return killed

    async def _start_guardian(self) -> None:
        """Start the process that kills the groups when this one is gone."""
        read, write = os.pipe()
        try:
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(guardian.__file__),
                stdin=read,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            os.close(read)
        self._guardian = os.fdopen(write, "wb", buffering=0)

    async def start(
        self,
        arguments: list[str],
        environment: Mapping[str, str],
        folder: str,
        take: Callable[[bytes], None],
    ) -> RunningProcess:
        """Start a program with one pipe for both outputs; raises StartError."""
        loop = asyncio.get_running_loop()
        read, write = os.pipe()
        output = _Output(take)
        pipe, _ = await loop.connect_read_pipe(lambda: output, os.fdopen(read, "rb", buffering=0))
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write,
                stderr=write,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            pipe.close()
            why = error.strerror if isinstance(error, OSError) else str(error)
            text = f'exec: "{arguments[0]}": {(why or "").lower()}: unknown'
            raise StartError(text) from error
        finally:
            os.close(write)
        self._remember(process.pid)
        return RunningProcess(process, output, pipe, self._forget)

    def _remember(self, pid: int) -> None:
        started = guardian.start_time(pid)
        (self._folder / str(pid)).write_text(started)
        self._groups.add(pid)
        self._tell(f"+{pid} {started}\n")

    def _forget(self, pid: int) -> None:
        (self._folder / str(pid)).unlink(missing_ok=True)
        self._groups.discard(pid)
        self._tell(f"-{pid} 0\n")

    def _tell(self, line: str) -> None:
        if self._guardian is not None:
            try:
                self._guardian.write(line.encode())
            except BrokenPipeError:
                _log.warning("the guardian is gone: groups are killed at the next start only")
                self._guardian = None

    def close(self) -> None:
        """SIGKILL every group that still runs, and let the guardian go."""
        for pid in list(self._groups):
            kill_group(pid)
            self._forget(pid)
        if self._guardian is not None:
            self._guardian.close()
            self._guardian = None
