"""A proxy of the bus that a test owns: what passes, when, how often, and in which order.

It stands between one service and nats-server and knows the protocol's frames, so that a test can
hold the one message that matters (`catch`), do something to the service meanwhile, and then let
the message go or lose it. That forces every "killed between A and B" without a hook in the
services. `kube_proxies` has the same for the API server.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from enum import Enum
from urllib.parse import urlsplit

FRAME_BYTES_MAX = 4 * 1024 * 1024
GUARD_S = 120.0
_WITH_PAYLOAD = frozenset({b"PUB", b"HPUB", b"MSG", b"HMSG"})

Send = Callable[[bytes], None]
Act = Callable[[bytes, Send], Awaitable[None]]


class Way(Enum):
    """The direction of a frame."""

    UP = "to the server"
    DOWN = "to the service"


class Catch:
    """One thing that is waited for, and held once it comes until the test says how to go on."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._caught: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._verdict: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    @property
    def is_caught(self) -> bool:
        """Whether it has come."""
        return self._caught.done()

    async def caught(self, timeout_s: float = GUARD_S) -> bytes:
        """Wait for it; returns it. Whoever sent it waits from here on."""
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(self._caught)
        except TimeoutError as error:
            message = f"nothing like {self._what} within {timeout_s:g} s"
            raise AssertionError(message) from error

    def let_go(self) -> None:
        """Let it pass now."""
        self._decide(True)

    def lose(self) -> None:
        """Have it never arrive."""
        self._decide(False)

    def _decide(self, passes: bool) -> None:
        if not self._verdict.done():
            self._verdict.set_result(passes)

    async def passes(self, content: bytes) -> bool:
        """Hold it: the proxy's side."""
        self._caught.set_result(content)
        return await asyncio.shield(self._verdict)


class _Rule:
    def __init__(self, way: Way, pattern: str, act: Act, times: int | None) -> None:
        self.way = way
        self.pattern = re.compile(pattern.encode())
        self.act = act
        self.times = times


class BusProxy:
    """One address of the bus. Make it with `bus_proxy`. Patterns are searched in whole frames."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._host, self._port = parts.hostname or "", parts.port or 0
        self._secret = f"{parts.username}@" if parts.username else ""
        self._own_port = 0
        self._rules: list[_Rule] = []
        self._links: set[asyncio.Task[None]] = set()
        self._tasks = asyncio.TaskGroup()
        self._passing = asyncio.Event()
        self._passing.set()
        self._is_cut = False
        self.delay_s = 0.0

    @property
    def url(self) -> str:
        """Its address, with the bus's token."""
        return f"nats://{self._secret}127.0.0.1:{self._own_port}"

    def catch(self, way: Way, pattern: str) -> Catch:
        """Hold the next frame that matches, and all behind it in its direction."""
        catch = Catch(f"{pattern} {way.value}")

        async def hold(frame: bytes, send: Send) -> None:
            if await catch.passes(frame):
                send(frame)

        self.every(way, pattern, hold, times=1)
        return catch

    def catch_answer(self, pattern: str) -> Catch:
        """Hold the answer to the next request that matches; the request itself passes."""
        catch = Catch(f"an answer to {pattern}")

        async def hold(frame: bytes, send: Send) -> None:
            if await catch.passes(frame):
                send(frame)

        async def note(frame: bytes, send: Send) -> None:
            reply = frame.split(b"\r\n", 1)[0].split(b" ")[2]
            self.every(Way.DOWN, rf"^H?MSG {re.escape(reply.decode())} ", hold, times=1)
            send(frame)

        self.every(Way.UP, pattern, note, times=1)
        return catch

    def catch_ack(self, pattern: str) -> Catch:
        """Hold the acknowledgement of the next delivery that matches: what was done is stored."""
        catch = Catch(f"an acknowledgement of {pattern}")

        async def hold(frame: bytes, send: Send) -> None:
            if await catch.passes(frame):
                send(frame)

        async def note(frame: bytes, send: Send) -> None:
            reply = frame.split(b"\r\n", 1)[0].split(b" ")[3]
            self.every(Way.UP, rf"^PUB {re.escape(reply.decode())} ", hold, times=1)
            send(frame)

        self.every(Way.DOWN, pattern, note, times=1)
        return catch

    def every(self, way: Way, pattern: str, act: Act, *, times: int | None = None) -> None:
        """Have frames that match treated by `act(frame, send)`; what it does not send is lost."""
        self._rules.append(_Rule(way, pattern, act, times))

    def aside(self, work: Coroutine[None, None, None]) -> None:
        """Do something beside the frames that pass; the proxy ends after it."""
        self._tasks.create_task(work)

    def clear(self) -> None:
        """Forget all rules: everything passes."""
        self._rules.clear()

    def hang(self) -> None:
        """Let nothing pass in any direction, with every connection kept."""
        self._passing.clear()

    def resume(self) -> None:
        """End `hang`."""
        self._passing.set()

    def cut(self) -> None:
        """End every connection and take no new one."""
        self._is_cut = True
        for link in self._links:
            link.cancel()

    def mend(self) -> None:
        """End `cut`."""
        self._is_cut = False

    async def run(self, ready: asyncio.Event) -> None:
        """Serve until cancelled."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", limit=FRAME_BYTES_MAX)
        self._own_port = server.sockets[0].getsockname()[1]
        try:
            async with self._tasks:
                ready.set()
                await asyncio.Event().wait()
        finally:
            server.close()
            links = list(self._links)
            for link in links:
                link.cancel()
            await asyncio.gather(*links, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        try:
            if not self._is_cut:
                await self._join(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # a connection ended, or the test cut it
        finally:
            self._links.discard(link)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(
            self._host, self._port, limit=FRAME_BYTES_MAX
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                up = tasks.create_task(self._pump(Way.UP, reader, up_writer))
                down = tasks.create_task(self._pump(Way.DOWN, up_reader, writer))
                await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
                writer.transport.abort()
                await up  # what is held on its way up may still be let go
                down.cancel()
        finally:
            up_writer.close()  # what was let go before a kill still arrives
            with contextlib.suppress(OSError):
                await up_writer.wait_closed()

    async def _pump(
        self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                frame = await _read_frame(reader)
                await self._passing.wait()
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._deal(way, frame, writer.write)
                await writer.drain()

    async def _deal(self, way: Way, frame: bytes, send: Send) -> None:
        for rule in self._rules:
            if rule.way is way and rule.pattern.search(frame):
                if rule.times is not None:
                    rule.times -= 1
                    if rule.times == 0:
                        self._rules.remove(rule)
                await rule.act(frame, send)
                return
        send(frame)


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    line = await reader.readuntil(b"\r\n")
    tokens = line.split()
    if not tokens or tokens[0].upper() not in _WITH_PAYLOAD:
        return line
    return line + await reader.readexactly(int(tokens[-1]) + 2)


@asynccontextmanager
async def bus_proxy(upstream: str) -> AsyncIterator[BusProxy]:
    """Run a proxy of a bus for the length of a block."""
    proxy = BusProxy(upstream)
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(proxy.run(ready))
        await ready.wait()
        try:
            yield proxy
        finally:
            serving.cancel()
