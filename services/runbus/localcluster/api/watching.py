"""Watch streams: lines of JSON from a kind's history, as long as the client keeps up.

A watcher holds a position in the history (``store.history``), no queue: one that is too slow
loses its place, is told 410 and cut. Every write has a time limit.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Protocol
from urllib.parse import unquote

import msgspec
from aiohttp import web
from msgspec import Struct

from runbus.localcluster.api.queries import WatchOptions
from runbus.localcluster.api.tables import as_row, bookmark_table
from runbus.localcluster.rules.errors import ApiError, expired
from runbus.localcluster.store.history import EventType, Stored, WatchEvent
from runbus.localcluster.store.store import Collection, ObjectStore, shown_by

_BATCH = 256
_WRITE_LIMIT_S = 30.0
_SHORTEST_S, _LONGEST_S = 1800, 3600  # as a kube-apiserver picks where no timeout is asked for


class Lines(Protocol):
    """Writes what a watch shows as lines of its stream."""

    def added(self, stored: Stored) -> bytes:
        """An object that was there at the beginning."""
        ...

    def event(self, event: WatchEvent, shown: EventType) -> bytes:
        """A change, as what it is to this watcher."""
        ...

    def bookmark(self, version: int, initial_end: bool = False) -> bytes:
        """That everything up to a version was sent."""
        ...


class ObjectLines:
    """Objects as they are: made once for all watchers."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    def added(self, stored: Stored) -> bytes:
        """An object that was there at the beginning."""
        return b'{"type":"ADDED","object":%b}\n' % self._collection.whole(stored)

    def event(self, event: WatchEvent, shown: EventType) -> bytes:
        """A change, as what it is to this watcher."""
        return self._collection.line(event, shown)

    def bookmark(self, version: int, initial_end: bool = False) -> bytes:
        """That everything up to a version was sent."""
        return self._collection.bookmark(version, initial_end)


class TableLines:
    """Each object as a Table of one row; the columns come with the first."""

    def __init__(self, collection: Collection, include: str, now_s: Callable[[], float]) -> None:
        self._resource = collection.resource
        self._include = include
        self._now_s = now_s
        self._with_head = True

    def added(self, stored: Stored) -> bytes:
        """An object that was there at the beginning."""
        return self._line(EventType.ADDED, stored)

    def event(self, event: WatchEvent, shown: EventType) -> bytes:
        """A change, as what it is to this watcher."""
        return self._line(shown, shown_by(event, shown))

    def bookmark(self, version: int, initial_end: bool = False) -> bytes:
        """That everything up to a version was sent."""
        return _line("BOOKMARK", bookmark_table(version, initial_end))

    def _line(self, kind: EventType, stored: Stored) -> bytes:
        row = as_row(self._resource, stored, self._now_s(), self._include, self._with_head)
        self._with_head = False
        return _line(kind.value, row)


def _line(kind: str, obj: object) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), msgspec.json.encode(obj))


class Watching(Struct, frozen=True):
    """A running watch stream: its path with the query, and the client's name for itself."""

    path: str
    agent: str


class Watches:
    """All running watch streams, to tell of them and to end them together."""

    def __init__(self, store: ObjectStore, bookmark_interval_s: float, random: Random) -> None:
        self._store = store
        self._bookmark_interval_s = bookmark_interval_s
        self._random = random
        self._transports: set[asyncio.Transport] = set()
        self._running: dict[asyncio.Event, Watching] = {}  # by what wakes it
        self._closing = False

    def running(self) -> list[Watching]:
        """Return those that run now."""
        return list(self._running.values())

    def cut(self) -> int:
        """Drop the connection of every watch; gives how many there were."""
        transports = list(self._transports)
        for transport in transports:
            transport.abort()
        return len(transports)

    def close(self) -> None:
        """End every watch in good order, now and from now on."""
        self._closing = True
        for waker in self._running:
            waker.set()

    async def serve(
        self,
        request: web.BaseRequest,
        collection: Collection,
        options: WatchOptions,
        lines: Lines,
    ) -> web.StreamResponse:
        """Stream until the client's timeout, its disconnection, or the end of the server."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        waker = asyncio.Event()
        transport = request.transport
        collection.wakers.add(waker.set)
        agent = request.headers.get("User-Agent", "")
        self._running[waker] = Watching(unquote(request.path_qs), agent)
        if transport is not None:
            self._transports.add(transport)
        try:
            await self._stream(response, collection, options, lines, waker)
            await response.write_eof()
        except (ConnectionError, TimeoutError):
            if transport is not None:
                transport.abort()
        finally:
            collection.wakers.discard(waker.set)
            self._running.pop(waker, None)
            if transport is not None:
                self._transports.discard(transport)
        return response

    async def _stream(
        self,
        response: web.StreamResponse,
        collection: Collection,
        options: WatchOptions,
        lines: Lines,
        waker: asyncio.Event,
    ) -> None:
        loop = asyncio.get_running_loop()
        limit_s = options.timeout_s or self._random.uniform(_SHORTEST_S, _LONGEST_S)
        end_s = loop.time() + limit_s
        try:
            position, begin = self._start(collection, options, lines)
        except ApiError as error:
            await _write(response, _error_line(error))
            return
        await _write(response, begin)
        bookmark_s = self._next_bookmark(loop.time())
        while not self._closing and loop.time() < end_s:
            waker.clear()
            events = collection.history.read(position, _BATCH)
            if events is None:
                lost = expired(self._store.version, collection.history.forgotten)
                await _write(response, _error_line(lost))
                return
            if events:
                position += len(events)
                await _write(response, _shown(lines, events, options))
                continue
            if options.bookmarks and loop.time() >= bookmark_s:
                await _write(response, lines.bookmark(self._store.version))
                bookmark_s = self._next_bookmark(loop.time())
                continue
            await _wait(waker, min(end_s, bookmark_s if options.bookmarks else end_s))

    def _next_bookmark(self, now_s: float) -> float:
        return now_s + self._bookmark_interval_s * self._random.uniform(0.8, 1.2)

    def _start(
        self, collection: Collection, options: WatchOptions, lines: Lines
    ) -> tuple[int, bytes]:
        """Where to go on in the history, and what to send before."""
        store, history = self._store, collection.history
        wanted = options.version
        initial = options.initial_events
        if wanted is None or initial:
            show = initial is not False
            begin = [
                lines.added(each)
                for each in store.all(collection.resource, options.selector.namespace)
                if show and options.selector.matches(each.obj)
            ]
            if initial:
                begin.append(lines.bookmark(store.version, initial_end=True))
            return history.position, b"".join(begin)
        position = history.after(wanted)
        if position is None:
            raise expired(wanted, history.forgotten)
        return position, b""


async def _wait(waker: asyncio.Event, until_s: float) -> None:
    try:
        async with asyncio.timeout_at(until_s):
            await waker.wait()
    except TimeoutError:
        return


async def _write(response: web.StreamResponse, data: bytes) -> None:
    if data:
        async with asyncio.timeout(_WRITE_LIMIT_S):
            await response.write(data)


def _shown(lines: Lines, events: list[WatchEvent], options: WatchOptions) -> bytes:
    written: list[bytes] = []
    for event in events:
        shown = seen_as(event, options)
        if shown is not None:
            written.append(lines.event(event, shown))
    return b"".join(written)


def seen_as(event: WatchEvent, options: WatchOptions) -> EventType | None:
    """What a change is to a watcher with selectors: what it begins or ceases to select.

    Nothing where it is not newer than where the watch began, which may lie in the future.
    """
    if options.version is not None and event.version <= options.version:
        return None
    select = options.selector
    now = select.matches(event.new.obj)
    if event.type is not EventType.MODIFIED or (select.everything and not select.namespace):
        return event.type if now else None
    before = event.old is not None and select.matches(event.old.obj)
    if now:
        return EventType.MODIFIED if before else EventType.ADDED
    return EventType.DELETED if before else None


def _error_line(error: ApiError) -> bytes:
    return _line("ERROR", error.body)
