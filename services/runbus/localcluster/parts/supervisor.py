"""Starts both parts, says when the cluster serves, and starts again what dies."""

import asyncio
import contextlib
import fcntl
import os
import pathlib
import signal
import sys
from collections.abc import Iterator, Sequence

import msgspec
import structlog

from runbus.localcluster.options import Options, read_identity, write_identity
from runbus.localcluster.parts.life import Ready

_AGENTS_STOP_S, _API_STOP_S = 8.0, 4.0
_HEALTHY_S = 1.0  # a part that lived so long was not broken from the start
_SHORT_LIVES = 10
_LONGEST_WAIT_S = 2.0
_log = structlog.get_logger("localcluster")


class PartFailedError(Exception):
    """A part does not come up; holds the exit code to end with."""

    def __init__(self, part: str, code: int) -> None:
        super().__init__(f"the {part} part ended with {code}")
        self.code = code if code > 0 else 1


class _Part:
    """One child process; its stdin is our pipe, so that it ends when we do."""

    def __init__(self, name: str, arguments: Sequence[str]) -> None:
        self.name = name
        self._arguments = list(arguments)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *more: str) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "runbus.localcluster",
            *self._arguments,
            *more,
            f"--part={self.name}",
            "--supervised",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "start comes first"
        return self._process

    def tell(self, ready: Ready) -> None:
        stdin = self.process.stdin
        assert stdin is not None
        if not stdin.is_closing():
            stdin.write(ready.line())

    async def hear(self) -> Ready | None:
        """The readiness line; None where the part ended without one."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        return msgspec.json.decode(line, type=Ready) if line else None

    async def stop(self, limit_s: float) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(limit_s):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


class Supervisor:
    """Runs a cluster's parts; ``arguments`` is the command line they are given."""

    def __init__(self, options: Options, arguments: Sequence[str]) -> None:
        self._options = options
        self._api = _Part("api", arguments)
        self._agents = _Part("agents", arguments)
        self._ready: Ready | None = None

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; raises PartFailedError where a part does not come up."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        failures: list[PartFailedError] = []
        try:
            async with asyncio.TaskGroup() as group:
                work = group.create_task(self._run())
                await stop.wait()
                work.cancel()
        except* PartFailedError as found:
            failures = list(_leaves(found))
        finally:
            await self._agents.stop(_AGENTS_STOP_S)
            await self._api.stop(_API_STOP_S)
            _log.info("stopped")
        if failures:
            raise failures[0]

    async def _run(self) -> None:
        folder = self._options.dir
        write_identity(folder, read_identity(folder))  # both parts need the token
        await self._api.start()
        await self._agents.start()
        self._ready = await self._api.hear()
        if self._ready is None:
            raise PartFailedError("api", await self._api.process.wait())
        self._agents.tell(self._ready)
        sys.stdout.write(self._ready.line().decode())
        sys.stdout.flush()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep(self._api))
            group.create_task(self._keep(self._agents))

    async def _keep(self, part: _Part) -> None:
        loop = asyncio.get_running_loop()
        begun_s, short = loop.time(), 0
        while True:
            code = await part.process.wait()
            short = short + 1 if loop.time() - begun_s < _HEALTHY_S else 0
            if short >= _SHORT_LIVES:
                raise PartFailedError(part.name, code)
            wait_s = min(self._options.restart_delay_s * 2**short, _LONGEST_WAIT_S)
            wait_s = max(wait_s, self._options.restart_delay_s)
            _log.warning("a part ended; it is started again", part=part.name, code=code)
            await asyncio.sleep(wait_s)
            begun_s = loop.time()
            await self._start_again(part)

    async def _start_again(self, part: _Part) -> None:
        assert self._ready is not None
        if part is self._agents:
            await part.start()
            part.tell(self._ready)
            return
        await part.start(f"--port={self._ready.url.rpartition(':')[2]}")
        if await part.hear() is not None:
            _log.info("the API server is back", url=self._ready.url)


def _leaves(group: BaseExceptionGroup[PartFailedError]) -> Iterator[PartFailedError]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each


@contextlib.contextmanager
def own_folder(folder: pathlib.Path) -> Iterator[None]:
    """Keep the folder for this process; two clusters in one folder would kill each other's."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        sys.exit(f"{folder} is in use by another local cluster: stop it, or give another --dir")
    finally:
        os.close(descriptor)
