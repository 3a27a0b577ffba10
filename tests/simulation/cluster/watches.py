"""One watch stream of the simulated cluster: chunks of lines, bookmarks, 410, and cuts."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from runbus.localcluster.api.queries import WatchOptions
from runbus.localcluster.api.watching import seen_as
from runbus.localcluster.rules.errors import ApiError, expired
from runbus.localcluster.store.history import WatchEvent
from runbus.localcluster.store.store import Collection
from simulation.loop import TICK_S

if TYPE_CHECKING:
    from simulation.cluster.server import SimCluster

BOOKMARK_S = 10.0
_BATCH = 256


class SimWatch:
    """The server's end and the way to the client. `read` is the client's end."""

    def __init__(self, cluster: SimCluster, collection: Collection, options: WatchOptions) -> None:
        self._cluster = cluster
        self._collection = collection
        self._options = options
        self._position = 0
        self._arrived: deque[bytes] = deque()
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._in_at = 0.0
        self._is_over = False
        self._timers: list[asyncio.TimerHandle] = []

    def start(self) -> None:
        """Begin where the client asked to."""
        options = self._options
        try:
            lines = self._begin(options.version)
        except ApiError as error:
            self._send(b'{"type":"ERROR","object":%b}\n' % msgspec.json.encode(error.body))
            self._send(b"")
            return
        if lines:
            self._send(b"".join(lines))
        loop = self._cluster.loop
        if options.timeout_s:
            self._timers.append(loop.in_world(loop.time() + options.timeout_s, self._send, b""))
        if options.bookmarks:
            self._set_bookmark()
        self.wake()

    def _begin(self, wanted: int | None) -> list[bytes]:
        collection, options = self._collection, self._options
        if wanted is None:
            self._position = collection.history.position
            found = self._cluster.store.all(collection.resource, options.selector.namespace)
            return [
                b'{"type":"ADDED","object":%b}\n' % collection.whole(each)
                for each in found
                if options.selector.matches(each.obj)
            ]
        position = collection.history.after(wanted)
        if position is None:
            raise expired(wanted, collection.history.forgotten)
        self._position = position
        return []

    def wake(self) -> None:
        """Send what is new in the history."""
        if self._is_over:
            return
        while True:
            events = self._collection.history.read(self._position, _BATCH)
            if events is None:
                lost = expired(self._cluster.store.version, self._collection.history.forgotten)
                self._send(b'{"type":"ERROR","object":%b}\n' % msgspec.json.encode(lost.body))
                self._send(b"")
                return
            if not events:
                return
            self._position += len(events)
            data = b"".join(self._line(each) for each in events)
            if data:
                self._send(data)

    def _line(self, event: WatchEvent) -> bytes:
        shown = seen_as(event, self._options)
        return self._collection.line(event, shown) if shown is not None else b""

    def _set_bookmark(self) -> None:
        cluster = self._cluster
        at = cluster.loop.time() + BOOKMARK_S * cluster.random.uniform(0.8, 1.2)
        self._timers.append(cluster.loop.in_world(at, self._bookmark))

    def _bookmark(self) -> None:
        if not self._is_over:
            self._send(self._collection.bookmark(self._cluster.store.version))
            self._timers.clear()
            self._set_bookmark()

    def _send(self, data: bytes) -> None:
        """Send a chunk; an empty one is the end of the stream."""
        cluster = self._cluster
        if not data:
            self._end()
        latency_s = cluster.random.random() * cluster.faults.watch_latency_s
        self._in_at = max(self._in_at + TICK_S, cluster.loop.time() + latency_s)
        cluster.loop.in_world(self._in_at, self._take, data)

    def _take(self, data: bytes) -> None:
        self._arrived.append(data)
        self._wake_reader()

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _end(self) -> None:
        self._is_over = True
        if self in self._cluster.watches:
            self._cluster.watches.remove(self)
        for timer in self._timers:
            timer.cancel()

    def cut(self) -> None:
        """Break the connection: the client gets an error, and loses what was under way."""
        self._end()
        self._error = aiohttp.ClientPayloadError("simulated cut")
        self._wake_reader()

    def close(self) -> None:
        """Take note that the client has gone."""
        self._end()

    async def read(self) -> bytes:
        """Return the next chunk; empty at the end."""
        while True:
            if self._error is not None:
                raise self._error
            if self._arrived:
                return self._arrived.popleft()
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
