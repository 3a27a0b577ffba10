"""How a part lives: its pid file, the supervisor's pipe, the signals that end it."""

import asyncio
import contextlib
import fcntl
import os
import pathlib
import signal
import sys
import time
from collections.abc import AsyncGenerator, Iterator

import msgspec

_WAIT_S = 10.0
_POLL_S = 0.02


class Ready(msgspec.Struct, frozen=True):
    """The readiness line: where the API server is, and the kubeconfig that leads to it."""

    url: str
    kubeconfig: str

    def line(self) -> bytes:
        """The line as it is written."""
        return msgspec.json.encode(self) + b"\n"


@contextlib.contextmanager
def the_only_one(folder: pathlib.Path, part: str) -> Iterator[None]:
    """Hold ``DIR/<part>.pid``, once an earlier holder has ended; ends the process if none does."""
    descriptor = os.open(folder / f"{part}.pid", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        give_up_s = time.monotonic() + _WAIT_S
        while not _locked(descriptor):
            if time.monotonic() > give_up_s:
                sys.exit(f"{folder} has another {part} part that does not end: stop it first")
            time.sleep(_POLL_S)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class _Pipe(asyncio.Protocol):
    """The supervisor's end: a readiness line may come, and its end is ours."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self._rest = b""
        self.ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self._rest += data
        line, sign, _ = self._rest.partition(b"\n")
        if sign and not self.ready.done():
            self.ready.set_result(msgspec.json.decode(line, type=Ready))

    def connection_lost(self, error: Exception | None) -> None:
        self._stop.set()


class Life:
    """When to stop, and what the supervisor said."""

    def __init__(self, stop: asyncio.Event, pipe: _Pipe | None) -> None:
        self.stop = stop
        self._pipe = pipe

    async def told(self) -> Ready | None:
        """The API server's address, once the supervisor says it; None where there is none."""
        return None if self._pipe is None else await self._pipe.ready


@contextlib.asynccontextmanager
async def living(supervised: bool) -> AsyncGenerator[Life]:
    """Watch for what ends this process: SIGTERM, SIGINT, or the end of its supervisor.

    A supervised part leaves the terminal's SIGINT to its supervisor.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if not supervised:
        loop.add_signal_handler(signal.SIGINT, stop.set)
        yield Life(stop, None)
        return
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    pipe = _Pipe(stop)
    transport, _ = await loop.connect_read_pipe(lambda: pipe, sys.stdin)
    try:
        yield Life(stop, pipe)
    finally:
        transport.close()
