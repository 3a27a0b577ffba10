"""The connection to the bus: publish with acknowledgement, leader reads, raw JetStream requests.

Requests go through one inbox of our own with numbered replies: measured at less than half the CPU
of the client library's, and free of its `asyncio.wait_for`, which on Python 3.11 can swallow the
cancellation of a task and leave it running for ever.

Settings follow from measured pitfalls of the client: pings every few seconds (the default would
sit on a hung server for minutes), reconnecting for ever, and a watchdog's view of whether the
connection really answers. It must not know runs, services or Kubernetes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
import nats
import nats.errors
import nats.js.errors
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from runbus.sdk.errors import (
    BusRefusedError,
    BusTimeoutError,
    BusUnreachableError,
    NotFoundError,
    TooLargeError,
    WrongSequenceError,
)

REQUEST_TIMEOUT_S = 5.0

# The second one names no sequence: on several servers, while another message of the subject is
# on its way into the stream.
WRONG_LAST_SEQUENCE = frozenset({10071, 10164})
DUPLICATE_IN_PROCESS = 10158  # the same message, sent before, is on its way into the stream
NO_RESPONDERS = "503"
EXPECTED_SEQUENCE = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"
MESSAGE_ID = "Nats-Msg-Id"

_HEADER_LINE = b"NATS/1.0"
HEADERS_BYTES_MAX = 64 * 1024
HEADER_BYTES_MIN = len(_HEADER_LINE) + 4  # two ends of lines
HEADER_LINE_BYTES = 4  # colon, space, end of line


class StoredMessage(Struct, frozen=True):
    """A message as a stream holds it. `pending`: how many more follow (followers only)."""

    subject: str
    sequence: int
    data: bytes
    headers: Mapping[str, str]
    stored_at: datetime | None = None
    pending: int = 0


class _ApiError(Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _PubAck(Struct):
    seq: int = 0
    duplicate: bool = False
    error: _ApiError | None = None


class _StoredReply(Struct):
    subject: str
    seq: int
    data: bytes = b""
    hdrs: bytes = b""
    time: datetime | None = None


class _GetReply(Struct):
    message: _StoredReply | None = None
    error: _ApiError | None = None


_PUB_ACK = msgspec.json.Decoder(_PubAck)
_GET_REPLY = msgspec.json.Decoder(_GetReply)


class Bus:
    """One connection. Make it with `connecting.connect`, end it with `close`.

    `generation` counts reconnects, so that whoever holds server-side state (followers, pulls)
    can notice that it has to be set up again.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = ""
        self._replies: dict[str, asyncio.Future[Msg]] = {}
        self._sent: set[str] = set()  # those of them whose request has been sent
        self._count = 0
        self.generation = 0
        self.closed = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """Whether the socket is up; `ping` tells whether the server answers."""
        return self._client.is_connected

    @property
    def url(self) -> str:
        """The server connected to, without credentials."""
        url = self._client.connected_url
        return f"nats://{url.hostname}:{url.port}" if url is not None else ""

    async def open(self) -> None:
        """Begin to listen for replies; `connect` has done it."""
        self._inbox = self._client.new_inbox()
        await self.subscribe(f"{self._inbox}.*", self._on_reply)

    async def ping(self, timeout_s: float = 2.0) -> None:
        """Send a message to ourselves: the server is there and forwards.

        Raises:
            BusTimeoutError: it did not come back.

        """
        await self._ask("", b"", None, timeout_s)

    async def publish(
        self,
        subject: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> int:
        """Store a message and return its sequence.

        Raises:
            WrongSequenceError: compare-and-set failed.
            TooLargeError: the message was not sent.
            BusTimeoutError: no answer; the message may be stored.
            BusUnreachableError: no stream answered.
            BusRefusedError: anything else the server said.

        """
        self._check_size(subject, body, headers)
        reply = await self.request(subject, body, headers, timeout_s=timeout_s)
        try:
            ack = _PUB_ACK.decode(reply.data)
        except msgspec.MsgspecError as error:
            message = f"{subject}: the answer is no acknowledgement of a stream"
            raise BusRefusedError(message) from error
        if ack.error is not None:
            raise _api_error(ack.error, subject)
        return ack.seq

    def _check_size(self, subject: str, body: bytes, headers: Mapping[str, str] | None) -> None:
        """Refuse what the server would answer by closing the connection for good."""
        if len(body) + HEADERS_BYTES_MAX < self._client.max_payload:
            return  # a stream refuses more headers by itself, and says so
        size = len(body) + HEADER_BYTES_MIN
        for name, value in (headers or {}).items():
            size += len(name.encode()) + len(value.encode()) + HEADER_LINE_BYTES
        if size > self._client.max_payload:
            text = f"{subject}: {size} bytes, the server takes {self._client.max_payload}"
            raise TooLargeError(text)

    async def send(
        self, subject: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a message without waiting for anything (acknowledgements, flow control)."""
        try:
            await self._client.publish(
                subject, body, headers=dict(headers) if headers is not None else None
            )
        except nats.errors.Error as error:
            raise _translated(error) from error

    async def send_reply(self, subject: str, body: bytes, reply: str) -> None:
        """Send a message whose answer goes to a subject of our own."""
        try:
            await self._client.publish(subject, body, reply=reply)
        except nats.errors.Error as error:
            raise _translated(error) from error

    async def request(
        self,
        subject: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Msg:
        """Send a request and return the answer's message.

        Raises:
            BusTimeoutError, BusUnreachableError: see `publish`.

        """
        reply = await self._ask(subject, body, headers, timeout_s)
        if not reply.data and reply.headers and reply.headers.get("Status") == NO_RESPONDERS:
            text = f"{subject}: nobody answers there"
            raise BusUnreachableError(text)
        return reply

    async def _ask(
        self, subject: str, body: bytes, headers: Mapping[str, str] | None, timeout_s: float
    ) -> Msg:
        """Send a request and wait for its reply; without a subject, to the reply's own."""
        self._count += 1
        token = str(self._count)
        future = self._replies[token] = asyncio.get_running_loop().create_future()
        reply_subject = f"{self._inbox}.{token}"
        try:
            async with asyncio.timeout(timeout_s):
                await self._client.publish(
                    subject or reply_subject,
                    body,
                    reply=reply_subject if subject else "",
                    # nats-py writes into the dict it is given.
                    headers=dict(headers) if headers is not None else None,
                )
                self._sent.add(token)
                msg: Msg = await future
                return msg
        except TimeoutError as error:
            text = f"{subject or 'ping'}: no answer within {timeout_s:g} s"
            raise BusTimeoutError(text) from error
        except nats.errors.Error as error:
            raise _translated(error, subject) from error
        finally:
            del self._replies[token]
            self._sent.discard(token)

    def on_disconnected(self) -> None:
        """Give up what was asked on a connection that is lost: no answer can come any more."""
        for token in self._sent:
            future = self._replies[token]
            if not future.done():
                future.set_exception(BusTimeoutError("the connection was lost before an answer"))

    async def _on_reply(self, msg: Msg) -> None:
        future = self._replies.get(msg.subject.rpartition(".")[2])
        if future is not None and not future.done():
            future.set_result(msg)

    async def api(self, verb: str, body: Any = None) -> dict[str, Any]:
        """Carry out a request of JetStream's own API, such as `STREAM.INFO.<name>`.

        Raises:
            NotFoundError, BusRefusedError: what the server answered.

        """
        data = msgspec.json.encode(body) if body is not None else b""
        reply = await self.request(f"$JS.API.{verb}", data)
        answer: dict[str, Any] = msgspec.json.decode(reply.data)
        if "error" in answer:
            raise _api_error(msgspec.convert(answer["error"], _ApiError), verb)
        return answer

    async def last_message(self, stream: str, subject: str) -> StoredMessage | None:
        """Return the newest message on a subject (or wildcard), read from the stream's leader."""
        return await self._get_message(stream, {"last_by_subj": subject})

    async def next_message(
        self, stream: str, subject: str, from_sequence: int
    ) -> StoredMessage | None:
        """Return the first message on a subject from a sequence on, from the stream's leader."""
        return await self._get_message(stream, {"next_by_subj": subject, "seq": from_sequence})

    async def _get_message(self, stream: str, query: Mapping[str, object]) -> StoredMessage | None:
        reply = await self.request(f"$JS.API.STREAM.MSG.GET.{stream}", msgspec.json.encode(query))
        answer = _GET_REPLY.decode(reply.data)
        if answer.error is not None:
            if answer.error.code == 404 and answer.error.err_code == 10037:  # no message found
                return None
            raise _api_error(answer.error, stream)
        found = answer.message
        if found is None:
            return None
        return StoredMessage(
            found.subject, found.seq, found.data, parse_headers(found.hdrs), found.time
        )

    async def subscribe(
        self, subject: str, callback: Callable[[Msg], Awaitable[None]], queue: str = ""
    ) -> Subscription:
        """Subscribe; the callback gets one message at a time."""
        try:
            return await self._client.subscribe(subject, queue=queue, cb=callback)
        except nats.errors.Error as error:
            raise _translated(error) from error

    @staticmethod
    async def unsubscribe(subscription: Subscription) -> None:
        """End a subscription; one that has ended already, or a lost connection, is as good."""
        with contextlib.suppress(nats.errors.Error):
            await subscription.unsubscribe()

    async def drain(self, subscription: Subscription, timeout_s: float = 1.0) -> None:
        """End a subscription; what the server has sent by now is still delivered."""
        with contextlib.suppress(nats.errors.Error, TimeoutError):
            async with asyncio.timeout(timeout_s):
                await subscription.drain()  # type: ignore[no-untyped-call]

    def new_inbox(self) -> str:
        """Return a subject that only this connection listens on."""
        return self._client.new_inbox()

    async def close(self) -> None:
        """Flush what is under way and close the connection."""
        if self._client.is_closed:
            return
        with contextlib.suppress(BusUnreachableError):
            await self.ping(timeout_s=1.0)  # everything sent before it has arrived
        await self._client.close()

    def native(self) -> Client:
        """Return nats-py's own client, for its micro services."""
        return self._client


def parse_headers(block: bytes) -> dict[str, str]:
    """Return the headers of a raw NATS header block (as STREAM.MSG.GET gives it, decoded)."""
    headers: dict[str, str] = {}
    if not block.startswith(_HEADER_LINE):
        return headers
    for line in block.split(b"\r\n")[1:]:
        name, found, value = line.partition(b":")
        if found:
            headers[name.decode()] = value.strip().decode()
    return headers


def _api_error(error: _ApiError, about: str) -> Exception:
    text = f"{about}: {error.description} (code {error.code}, error {error.err_code})"
    if error.err_code in WRONG_LAST_SEQUENCE:
        return WrongSequenceError(text)
    if error.code == 404:
        return NotFoundError(text, code=error.code, error_code=error.err_code)
    if error.code in {408, 503} or error.err_code == DUPLICATE_IN_PROCESS:
        return BusUnreachableError(text)
    return BusRefusedError(text, code=error.code, error_code=error.err_code)


def _translated(error: BaseException, about: str = "bus") -> BusUnreachableError:
    return BusUnreachableError(f"{about}: {type(error).__name__}: {error}")
