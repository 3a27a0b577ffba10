"""What stands in for nats-py's client: the same methods, on a simulated connection.

Each subscription handles one message at a time in a task of its own; while the connection is lost
what is published waits in a buffer, and subscriptions are made again, as nats-py does it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import ParseResult, urlparse

import nats.errors
from nats.aio.client import Client, ServerVersion
from nats.aio.msg import Msg

if TYPE_CHECKING:
    from simulation.bus.links import Link

Callback = Callable[[Msg], Awaitable[None]]
VERSION = "2.12.0"
PAYLOAD_BYTES_MAX = 1024 * 1024


class _Numbers:
    """Unique names, the same in every run of a seed. Each is one token of a subject."""

    def __init__(self, name: str) -> None:
        self._name = name.replace(".", "-")
        self._count = 0

    def next(self) -> bytearray:
        """Return the next one."""
        self._count += 1
        return bytearray(f"{self._name}x{self._count}".encode())


class SimSubscription:
    """A subscription with its callback's task."""

    def __init__(
        self, client: SimClient, number: int, subject: str, queue: str, callback: Callback
    ) -> None:
        self.client = client
        self.number = number
        self.subject = subject
        self.queue = queue
        self._callback = callback
        self._arrived: deque[Msg] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())

    def take(self, msg: Msg) -> None:
        """Take a message that has arrived."""
        self._arrived.append(msg)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _run(self) -> None:
        while True:
            while self._arrived:
                msg = self._arrived.popleft()
                try:
                    await self._callback(msg)
                except Exception as error:  # noqa: BLE001 - as nats-py does; the story tells
                    self.client.link.on_callback_error(error)
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake

    async def unsubscribe(self, limit: int = 0) -> None:
        """End it."""
        if self.client.is_closed:
            raise nats.errors.ConnectionClosedError
        if self.number not in self.client.subscriptions:
            raise nats.errors.BadSubscriptionError
        self.end()
        self.client.link.unsubscribe(self)

    async def drain(self) -> None:
        """End it; what has arrived is dropped here."""
        await self.unsubscribe()

    def end(self) -> None:
        """Stop handling."""
        self.client.subscriptions.pop(self.number, None)
        self._task.cancel()


class SimClient:
    """The client; `native` gives it the type that the code under test expects."""

    def __init__(self, link: Link, name: str) -> None:
        self.link = link
        self.subscriptions: dict[int, SimSubscription] = {}
        self._nuid = _Numbers(name)
        self._count = 0
        self._buffer: list[tuple[str, bytes, str, Mapping[str, str] | None]] = []
        self.is_closed = False
        self.on_publish: Callable[[str, Mapping[str, str]], None] = lambda _subject, _headers: None

    def native(self) -> Client:
        """Return this client as what it stands in for."""
        return cast("Client", self)

    @property
    def is_connected(self) -> bool:
        """Whether the connection is up."""
        return self.link.is_up and not self.is_closed

    @property
    def connected_url(self) -> ParseResult | None:
        """The server's address."""
        return urlparse("nats://simulated:4222") if self.is_connected else None

    @property
    def connected_server_version(self) -> ServerVersion:
        """The server's version."""
        return ServerVersion(VERSION)

    @property
    def max_payload(self) -> int:
        """The largest message that the server takes."""
        return PAYLOAD_BYTES_MAX

    def new_inbox(self) -> str:
        """Return a subject that nobody else listens on."""
        return f"_INBOX.{self._nuid.next().decode()}"

    async def publish(
        self,
        subject: str,
        payload: bytes = b"",
        reply: str = "",
        headers: dict[str, Any] | None = None,
    ) -> None:
        """Send a message, or keep it until the connection is back."""
        if self.is_closed:
            raise nats.errors.ConnectionClosedError
        if not subject:
            raise nats.errors.BadSubjectError
        self.on_publish(subject, headers or {})
        if self.link.is_up:
            self.link.send(subject, payload, reply, headers)
        else:
            self._buffer.append((subject, payload, reply, headers))

    async def subscribe(
        self, subject: str, queue: str = "", cb: Callback | None = None
    ) -> SimSubscription:
        """Listen on a subject."""
        if self.is_closed:
            raise nats.errors.ConnectionClosedError
        assert cb is not None, "only callbacks are simulated"
        self._count += 1
        subscription = SimSubscription(self, self._count, subject, queue, cb)
        self.subscriptions[subscription.number] = subscription
        if self.link.is_up:
            self.link.subscribe(subscription)
        return subscription

    async def flush(self, timeout: int = 10) -> None:  # noqa: ASYNC109 - nats-py's parameter
        """Do nothing: messages are on their way."""

    async def close(self) -> None:
        """End the connection for good."""
        if self.is_closed:
            return
        for subscription in list(self.subscriptions.values()):
            subscription.end()
        self.is_closed = True
        self.link.close()

    # What the connection tells.

    def on_message(
        self, number: int, subject: str, reply: str, data: bytes, headers: Mapping[str, str] | None
    ) -> None:
        """Take a message for one of the subscriptions."""
        subscription = self.subscriptions.get(number)
        if subscription is not None and not self.is_closed:
            told = dict(headers) if headers else None
            subscription.take(Msg(self.native(), subject, reply, data, told))

    def on_reconnected(self) -> None:
        """Make subscriptions again and send what has waited."""
        for subscription in self.subscriptions.values():
            self.link.subscribe(subscription)
        waiting, self._buffer = self._buffer, []
        for message in waiting:
            self.link.send(*message)
