"""Follow a stream in order, across restarts of server and connection, without losing a message.

An ephemeral push consumer, made again from the next sequence when messages are missing, heartbeats
stay away or the connection was lost. The client library's own ordered consumer notices a lost
consumer only after 8 to 17 seconds; with a heartbeat a second and a look at each reconnect this
one needs less than three. Nothing is delivered twice; acknowledgements only tell the server how
much has been taken in, so that a long stream does not come faster than it is read (ADR-0024).

On a bus of several servers the consumer may lie on one whose copy of the stream is behind, by much
where the server has just come back. Nothing is lost by that, it comes later; but "nothing more is
there" is only believed once the copy has come as far as the stream's leader was (ADR-0033).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from runbus.sdk.bus import Bus, StoredMessage
from runbus.sdk.errors import BusError, BusUnreachableError

HEARTBEAT_S = 1.0
HEARTBEATS_MISSED_MAX = 2.5
COPY_HEARTBEAT_S = 0.1  # of a consumer on another server than the leader: its heartbeats are asked
# Delivered and not yet taken in. Flow control alone lets 32 MiB come, twice that as objects.
IN_FLIGHT_MAX = 2_000
ACKNOWLEDGED_AT_LEAST = IN_FLIGHT_MAX // 4
# Never: what is not acknowledged has not been asked for yet.
ACK_WAIT_S = 365 * 86400
RETRY_WAIT_S = 0.2
INACTIVE_THRESHOLD_S = 60
# A copy that lags and does not come on for so long may never do so: perhaps another one does.
STUCK_S = 5.0

_NANO = 1_000_000_000
_FIRST_SEQUENCE = 1


class _OtherCopyError(Exception):
    """The consumer lies on another server than the stream's leader."""


class Follower:
    """Delivers every message of a stream that matches, in order, from a sequence on.

    Use it through `follow`. `next_batch` returns what has arrived; `caught_up` says whether the
    stream had nothing more when the last message was sent; `problem` why nothing can arrive.
    """

    def __init__(self, bus: Bus, stream: str, filters: Sequence[str], next_sequence: int) -> None:
        self._bus = bus
        self._stream = stream
        self._filters = list(filters)
        self._next_sequence = next_sequence
        self._consumer_sequence = 0
        self._buffer: deque[StoredMessage] = deque()
        self._arrived = asyncio.Event()
        self._broken = asyncio.Event()
        self._stalled_reply: str | None = None
        self._newest_reply = ""
        self._handed_out = 0  # since the last acknowledgement
        self._handed_out_reply = self._acknowledged_reply = ""
        self._inbox = ""
        self._consumer = ""
        self._heard_at = self._came_on_at = 0.0
        self._pending = 1
        self._reached = 0  # as far as the copy that is read has come
        self._end: int | None = None  # as far as the leader was, once that is known
        self._heartbeat_s = HEARTBEAT_S
        self._generation = bus.generation
        self.restarts = -1
        self.problem: str | None = None

    @property
    def caught_up(self) -> bool:
        """Whether everything that was in the stream has been handed out."""
        return self._is_whole and self._pending == 0 and not self._buffer

    @property
    def _is_whole(self) -> bool:
        return self._end is not None and self._reached >= self._end

    async def next_batch(self, timeout_s: float | None = None) -> list[StoredMessage]:
        """Return the messages that have arrived, at least one.

        None when time runs out, or when it has just turned out that nothing more is there. Those
        returned before count as taken in.
        """
        await self._acknowledge()
        try:
            async with asyncio.timeout(timeout_s):
                while not self._buffer:
                    self._arrived.clear()
                    await self._arrived.wait()
                    if self.caught_up:
                        return []
        except TimeoutError:
            return []
        batch = list(self._buffer)
        self._buffer.clear()
        self._handed_out += len(batch)
        self._handed_out_reply = self._newest_reply
        await self._resume_flow()
        return batch

    async def _acknowledge(self) -> None:
        """Tell the server that there is room for more, where there is much."""
        if self._handed_out >= ACKNOWLEDGED_AT_LEAST:
            self._handed_out = 0
            self._acknowledged_reply = self._handed_out_reply
            await self._acknowledge_again()

    async def _acknowledge_again(self) -> None:
        """Say how much has been taken in, once more where that may have been lost."""
        if not self._acknowledged_reply:
            return
        try:
            await self._bus.send(self._acknowledged_reply, b"+ACK")
        except BusUnreachableError:
            self._broken.set()

    async def ask_pending(self) -> None:
        """Ask the server how much is left: messages that a purge removed never arrive.

        What it has sent and what has not arrived is left as well, and its answer can overtake it.
        """
        if not self._consumer:
            return
        try:
            info = await self._bus.api(f"CONSUMER.INFO.{self._stream}.{self._consumer}")
        except BusError:
            return  # it is being made again
        if not self._buffer and info["delivered"]["consumer_seq"] == self._consumer_sequence:
            self._pending = int(info.get("num_pending", 0))

    async def run(self) -> None:
        """Keep the consumer alive until cancelled."""
        subscription: Subscription | None = None
        try:
            while True:
                subscription = await self._start()
                await self._until_broken()
                await self._bus.unsubscribe(subscription)
        finally:
            if subscription is not None:
                await self._stop(subscription)

    async def _start(self) -> Subscription:
        while True:
            self._inbox = self._bus.new_inbox()
            self._broken.clear()
            self._consumer_sequence = self._handed_out = 0
            self._consumer = self._acknowledged_reply = ""
            self._generation = self._bus.generation
            self._heard_at = self._came_on_at = asyncio.get_running_loop().time()
            subscription = await self._bus.subscribe(self._inbox, self._on_message)
            try:
                await self._create_consumer()
            except _OtherCopyError:
                self._heartbeat_s = COPY_HEARTBEAT_S
                await self._stop(subscription)
                continue
            except BusError as error:
                self.problem = f"cannot follow {self._stream}: {error}"
                await self._stop(subscription)
                await asyncio.sleep(RETRY_WAIT_S)
                continue
            self.restarts += 1
            self.problem = None
            return subscription

    async def _create_consumer(self) -> None:
        if not self.caught_up:  # what one with the leader knew does not hold for another copy
            self._end, self._pending, self._reached = None, 1, self._next_sequence - 1
        config: dict[str, Any] = {
            "deliver_subject": self._inbox,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": max(self._next_sequence, _FIRST_SEQUENCE),
            "ack_policy": "all",
            "ack_wait": ACK_WAIT_S * _NANO,
            "max_ack_pending": IN_FLIGHT_MAX,
            "max_deliver": 1,
            "flow_control": True,
            "idle_heartbeat": int(self._heartbeat_s * _NANO),
            "inactive_threshold": INACTIVE_THRESHOLD_S * _NANO,
            "mem_storage": True,
            "num_replicas": 1,
        }
        if len(self._filters) == 1:
            config["filter_subject"] = self._filters[0]
        else:
            config["filter_subjects"] = self._filters
        # Its name stands in the subject: rights can then keep followers off consumers that stay.
        name = config["name"] = self._inbox.rpartition(".")[2]
        answer = await self._bus.api(
            f"CONSUMER.CREATE.{self._stream}.{name}",
            {"stream_name": self._stream, "config": config},
        )
        self._consumer = name
        if answer.get("num_pending", 0) == 0:
            self._pending = 0
        if self._end is None:
            self._end = await self._ask_end((answer.get("cluster") or {}).get("leader"))
        if self.caught_up:
            self._arrived.set()

    async def _ask_end(self, server: str | None) -> int:
        """Ask how far the stream has come, where the consumer's server may be behind; else 0.

        Args:
            server: where the consumer lies; None: there is only one.

        Raises:
            _OtherCopyError: not with the stream's leader, and heartbeats are slow.

        """
        if server is None:
            return 0
        info = await self._bus.api(f"STREAM.INFO.{self._stream}")
        if server == info["cluster"].get("leader"):
            return 0
        if self._heartbeat_s > COPY_HEARTBEAT_S:
            raise _OtherCopyError
        return int(info["state"]["last_seq"])

    async def _until_broken(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._broken.is_set():
            try:
                async with asyncio.timeout(HEARTBEAT_S / 2):
                    await self._broken.wait()
            except TimeoutError:
                silent_s = loop.time() - self._heard_at
                reconnected = self._generation != self._bus.generation
                if reconnected or silent_s > HEARTBEAT_S * HEARTBEATS_MISSED_MAX:
                    return
                if not self._is_whole and loop.time() - self._came_on_at > STUCK_S:
                    return

    async def _stop(self, subscription: Subscription) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._bus.unsubscribe(subscription)
                if self._consumer:
                    await self._bus.api(f"CONSUMER.DELETE.{self._stream}.{self._consumer}")
        except (BusError, TimeoutError):
            pass  # it goes by itself after INACTIVE_THRESHOLD_S

    async def _on_message(self, msg: Msg) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        if self._broken.is_set():
            return
        if not msg.data and msg.headers and "Status" in msg.headers:
            await self._on_status(msg)
            return
        stream_sequence, consumer_sequence, stored_ns, pending = ack_numbers(msg.reply)
        if consumer_sequence != self._consumer_sequence + 1:
            self._broken.set()
            return
        self._consumer_sequence = consumer_sequence
        self._next_sequence = stream_sequence + 1
        self._come_to(stream_sequence)
        self._pending = pending
        stored_at = datetime.fromtimestamp(stored_ns / _NANO, tz=UTC)
        self._buffer.append(
            StoredMessage(
                msg.subject, stream_sequence, msg.data, msg.headers or {}, stored_at, pending
            )
        )
        self._newest_reply = msg.reply
        self._arrived.set()

    async def _on_status(self, msg: Msg) -> None:
        headers = msg.headers or {}
        if int(headers.get("Nats-Last-Consumer") or 0) > self._consumer_sequence:
            self._broken.set()  # something was sent and has not arrived
            return
        was_caught_up = self.caught_up
        self._come_to(int(headers.get("Nats-Last-Stream") or 0))
        if self.caught_up and not was_caught_up:
            self._arrived.set()
        if msg.reply:  # flow control: answered when there is room again
            self._stalled_reply = msg.reply
            await self._resume_flow()
        elif headers.get("Nats-Consumer-Stalled"):
            self._stalled_reply = headers["Nats-Consumer-Stalled"]
            await self._resume_flow()
        elif self._pending:  # an idle heartbeat, and yet there is more
            await self._acknowledge_again()

    def _come_to(self, sequence: int) -> None:
        if sequence > self._reached:
            self._reached, self._came_on_at = sequence, self._heard_at

    async def _resume_flow(self) -> None:
        if self._stalled_reply is not None and len(self._buffer) < IN_FLIGHT_MAX:
            reply, self._stalled_reply = self._stalled_reply, None
            try:
                await self._bus.send(reply, b"")
            except BusUnreachableError:
                self._broken.set()


@asynccontextmanager
async def follow(
    bus: Bus, stream: str, filters: Sequence[str], *, next_sequence: int = _FIRST_SEQUENCE
) -> AsyncIterator[Follower]:
    """Follow a stream within a block: the follower is kept alive by a task of its own.

    Args:
        bus: the connection.
        stream: the stream's name.
        filters: subjects, with wildcards.
        next_sequence: the first sequence wanted.

    """
    follower = Follower(bus, stream, filters, next_sequence)
    raised: BaseException | None = None
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(follower.run())
        try:
            yield follower
        except BaseException as error:  # noqa: BLE001 - raised again below, outside the group
            raised = error
        task.cancel()
    if raised is not None:  # a TaskGroup would have wrapped it into an ExceptionGroup
        raise raised


def ack_numbers(reply: str) -> tuple[int, int, int, int]:
    """Return stream sequence, consumer sequence, time in ns and pending of an ack subject.

    Nine tokens, or at least eleven with a domain and an account hash before the stream.
    """
    tokens = reply.split(".")
    first = 5 if len(tokens) < 11 else 7
    sequence, consumer_sequence, stored_ns, pending = tokens[first : first + 4]
    return int(sequence), int(consumer_sequence), int(stored_ns), int(pending)


def deliveries(reply: str) -> int:
    """Return how often a message has been delivered, from its ack subject."""
    tokens = reply.split(".")
    return int(tokens[4 if len(tokens) < 11 else 6])
