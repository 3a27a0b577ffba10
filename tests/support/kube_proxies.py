"""A proxy of the Kubernetes API that a test owns: requests held, lost, hung, or answered late.

It stands between one service and the API server. A request that was let in is carried out even
when its client has gone meanwhile: that is how an object appears late. Watches can be broken in the
middle of an event or fall silent; `skew` gives the cluster another clock, and `amend(named, body)`
stands for what changes requests on their way, such as a webhook of a queue.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from enum import Enum
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from support.proxies import Catch

BODY_BYTES_MAX = 4 * 1024 * 1024
_MOMENT = re.compile(rb'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"')
_PASSED_ON = ("Date", "Retry-After")
_HOP_BY_HOP = frozenset({"transfer-encoding", "connection", "content-length", "host", "keep-alive"})


class Stage(Enum):
    """Where a request is held: on its way to the API server, or carried out and not answered."""

    REQUEST = "request"
    ANSWER = "answer"


class _Watch:
    """A watch that passes."""

    def __init__(self) -> None:
        self.breaks: WatchBreak | None = None
        self.broken = asyncio.Event()


class _Rule:
    def __init__(self, stage: Stage, pattern: str, catch: Catch) -> None:
        self.stage = stage
        self.pattern = re.compile(pattern)
        self.catch = catch


class WatchBreak(Enum):
    """What becomes of a watch."""

    HALF_AN_EVENT = "half an event, and the connection is gone"
    SILENCE = "nothing any more, and the connection stays"


class KubeProxy:
    """One address of the API server. Patterns are searched in method, path and body."""

    def __init__(self, upstream: str, session: aiohttp.ClientSession) -> None:
        self._upstream = upstream
        self._session = session
        self._rules: list[_Rule] = []
        self._passing = asyncio.Event()
        self._passing.set()
        self._transports: set[asyncio.BaseTransport] = set()
        self._is_cut = False
        self._watches: set[_Watch] = set()
        self.skew = timedelta()
        self.amend: Callable[[str, bytes], bytes] = lambda _named, body: body
        self.url = ""

    def catch(self, pattern: str, stage: Stage = Stage.REQUEST) -> Catch:
        """Hold the next request that matches, or its answer."""
        catch = Catch(f"{pattern} ({stage.value})")
        self._rules.append(_Rule(stage, pattern, catch))
        return catch

    def clear(self) -> None:
        """Forget all rules."""
        self._rules.clear()

    def hang(self) -> None:
        """Answer nothing, take everything: connections stay, watches fall silent."""
        self._passing.clear()

    def resume(self) -> None:
        """End `hang`; what waited goes on."""
        self._passing.set()

    def break_watches(self, how: WatchBreak) -> list[asyncio.Event]:
        """Have each watch that is open now break at its next event; later ones are whole.

        Gives an event for each, set once it is broken.
        """
        for watch in self._watches:
            watch.breaks = how
        return [watch.broken for watch in self._watches]

    def cut(self) -> None:
        """End every connection and answer no new one."""
        self._is_cut = True
        for transport in self._transports:
            if isinstance(transport, asyncio.Transport):
                transport.abort()

    def mend(self) -> None:
        """End `cut`."""
        self._is_cut = False

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Pass one request on; the web server's side."""
        transport = request.transport
        if transport is None or self._is_cut:
            return _abort(request)
        self._transports.add(transport)
        try:
            return await self._pass_on(request)
        except (aiohttp.ClientError, ConnectionError):
            return _abort(request)
        finally:
            self._transports.discard(transport)

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        named = f"{request.method} {request.rel_url}\n{body.decode()}"
        await self._passing.wait()
        if not await self._passes(Stage.REQUEST, named, body):
            return _abort(request)
        body = self.amend(named, body)
        headers = {
            name: v for name, v in request.headers.items() if name.lower() not in _HOP_BY_HOP
        }
        async with self._session.request(
            request.method,
            self._upstream + request.raw_path,
            data=body or None,
            headers=headers,
            allow_redirects=False,
        ) as answer:
            if "watch=" in request.query_string:
                return await self._stream(request, answer)
            content = self._skewed(await answer.read())
            await self._passing.wait()
            if not await self._passes(Stage.ANSWER, named, content):
                return _abort(request)
            return web.Response(
                status=answer.status,
                body=content,
                content_type=answer.content_type,
                headers=self._passed_on(answer),
            )

    async def _stream(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=self._passed_on(answer))
        response.content_type = answer.content_type
        await response.prepare(request)
        watch = _Watch()
        self._watches.add(watch)
        try:
            async for line in answer.content:
                await self._passing.wait()
                if watch.breaks is WatchBreak.HALF_AN_EVENT:
                    await response.write(line[: len(line) // 2])
                    watch.broken.set()
                    return _abort(request)
                if watch.breaks is WatchBreak.SILENCE:
                    watch.broken.set()
                    continue
                await response.write(self._skewed(line))
        finally:
            self._watches.discard(watch)
        return response

    def _passed_on(self, answer: aiohttp.ClientResponse) -> dict[str, str]:
        found = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
        if "Date" in found:
            date = parsedate_to_datetime(found["Date"]) + self.skew
            found["Date"] = format_datetime(date, usegmt=True)
        return found

    def _skewed(self, content: bytes) -> bytes:
        """Return an answer as the clock of the cluster would have it."""
        return _MOMENT.sub(self._moved, content) if self.skew else content

    def _moved(self, found: re.Match[bytes]) -> bytes:
        moment = datetime.fromisoformat(found[0].strip(b'"').decode())
        text = (moment + self.skew).isoformat().replace("+00:00", "Z")
        return f'"{text}"'.encode()

    async def _passes(self, stage: Stage, named: str, content: bytes) -> bool:
        for rule in self._rules:
            if rule.stage is stage and rule.pattern.search(named):
                self._rules.remove(rule)
                return await rule.catch.passes(content)
        return True

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen for the length of a block."""
        server = web.Server(self.handle, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield
        finally:
            self.cut()
            self.resume()
            await runner.cleanup()

    def kubeconfig(self, real: Path, folder: Path) -> Path:
        """Write a kubeconfig that leads here instead; returns its path."""
        config: Any = msgspec.yaml.decode(real.read_bytes())
        for cluster in config["clusters"]:
            cluster["cluster"]["server"] = self.url
        path = folder / f"proxy-{self.url.rpartition(':')[2]}.kubeconfig"
        path.write_bytes(msgspec.json.encode(config))
        return path


def _abort(request: web.BaseRequest) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)


@asynccontextmanager
async def kube_proxy(
    upstream: str, trust: ssl.SSLContext | bool = True
) -> AsyncIterator[KubeProxy]:
    """Run a proxy of an API server for the length of a block; `trust` is for its certificate."""
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(limit=0, ssl=trust)
    async with aiohttp.ClientSession(
        timeout=timeout, connector=connector, read_bufsize=BODY_BYTES_MAX
    ) as session:
        proxy = KubeProxy(upstream, session)
        async with proxy.serving():
            yield proxy
