"""HTTP/1.1 for the stand-in: as little as its clients need, to cost the machine next to nothing.

Requests with a Content-Length, answers of known length, and streams of chunks. It must not know
what is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

_REASONS = {200: b"OK", 201: b"Created", 404: b"Not Found", 409: b"Conflict", 410: b"Gone"}
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"


class Request(Struct, frozen=True):
    """One request, whole."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes


class Stream:
    """An answer that goes on: lines are gathered and written once a turn of the loop."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._waiting: list[bytes] = []
        self.on_close: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Send the head of the answer."""
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )

    def send(self, line: bytes) -> None:
        """Send one line, together with what else comes up in this turn of the loop."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(line)

    def end(self) -> None:
        """Close the answer in good order."""
        self._flush()
        if not self._transport.is_closing():
            self._transport.write(b"0\r\n\r\n")

    def _flush(self) -> None:
        data, self._waiting = b"".join(self._waiting), []
        if data and not self._transport.is_closing():
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))


Answer = tuple[int, bytes]
Route = Callable[[Request, Stream], Answer | None]


class Connection(asyncio.Protocol):
    """One client's connection. `route` answers, or returns None and keeps the stream."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._stream: Stream | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        if self._stream is not None:
            self._stream.on_close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while True:
            found = _taken(self._received)
            if found is None:
                return
            request, self._received = found
            self._answer(request)

    def _answer(self, request: Request) -> None:
        assert self._transport is not None
        stream = Stream(self._transport)
        answer = self._route(request, stream)
        if answer is None:
            self._stream = stream
            return
        status, body = answer
        self._transport.write(
            b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (status, _REASONS.get(status, b"Error"), len(body), body)
        )


def _taken(received: bytes) -> tuple[Request, bytes] | None:
    """Return the first request and what follows it; None while it is not whole."""
    end = received.find(_END_OF_HEAD)
    if end < 0:
        return None
    head = received[:end]
    length = _length(head)
    start = end + len(_END_OF_HEAD)
    if len(received) < start + length:
        return None
    method, target, _ = head[: head.find(b"\r\n")].decode().split(" ", 2)
    path, _, query = target.partition("?")
    request = Request(
        method, unquote(path), dict(parse_qsl(query)), received[start : start + length]
    )
    return request, received[start + length :]


def _length(head: bytes) -> int:
    place = head.lower().find(_LENGTH)
    if place < 0:
        return 0
    start = place + len(_LENGTH)
    end = head.find(b"\r\n", start)
    return int(head[start:] if end < 0 else head[start:end])
