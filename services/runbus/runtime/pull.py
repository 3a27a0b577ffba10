"""Pull messages of a durable consumer and hand each to a handler, a bounded number at a time.

Raw overlapping pull requests with a callback: measured at 2.5 times the client library's `fetch`
per CPU second. Requests that the server lost (reconnect, restart, leader change) run out by the
clock and are asked again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec
from msgspec import Struct
from nats.aio.msg import Msg

from runbus.sdk.bus import Bus
from runbus.sdk.errors import BusUnreachableError
from runbus.sdk.follow import ack_numbers

EXPIRES_S = 5.0
LOST_AFTER_S = EXPIRES_S + 2.0
UNREACHABLE_WAIT_S = 0.5
DRAIN_S = 5.0
ACK_BACK = b"-NAK"

_NANO = 1_000_000_000


class _Request(Struct):
    token: str
    remaining: int
    lost_at: float


class Puller:
    """Keeps up to `in_hand_max` messages of one consumer in hand.

    `ready_problem` says why it does not get messages, for /readyz.
    """

    def __init__(self, bus: Bus, stream: str, consumer: str, *, in_hand_max: int) -> None:
        self._bus = bus
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self.consumer = consumer
        self._in_hand_max = in_hand_max
        self._in_hand = 0
        self.waiting = 0  # messages that nobody has got yet, as of the last word about them
        self._requests: deque[_Request] = deque()
        self._arrived: deque[Msg] = deque()
        self._wake = asyncio.Event()
        self._inbox = bus.new_inbox()
        self._count = 0
        self._not_before = 0.0  # refused, or nobody there: not asked again at once
        self._generation = bus.generation
        self._problem: str | None = "has not been answered yet"

    @property
    def in_hand(self) -> int:
        """How many messages wait for a handler, or are with one."""
        return self._in_hand

    def ready_problem(self) -> str | None:
        """Return why messages cannot arrive; None while they can."""
        return f"consumer {self.consumer}: {self._problem}" if self._problem else None

    async def run(self, handle: Callable[[Msg], Awaitable[None]], stopping: asyncio.Event) -> None:
        """Pull until told to stop, then wait for the handlers in hand.

        What has arrived and is in no handler's hands goes back at once: another replica should not
        have to wait for it to be missed. Only what the server was just sending while it learned
        that nobody listens is missed by it, after the consumer's ack_wait.

        Args:
            handle: must not raise; it acknowledges, too.
            stopping: set on SIGTERM.

        """
        subscription = await self._bus.subscribe(f"{self._inbox}.*", self._on_message)
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._until_stopped(tasks, handle, stopping)
                # First nobody listens any more: what is given back would come again to ourselves.
                await self._bus.drain(subscription, DRAIN_S)
                while self._arrived:
                    await self._give_back(self._arrived.popleft())
        finally:
            await self._bus.unsubscribe(subscription)

    async def _give_back(self, msg: Msg) -> None:
        # The bus away, the server gives it to others when it has waited long enough.
        with contextlib.suppress(BusUnreachableError):
            await self._bus.send(msg.reply, ACK_BACK)

    async def _until_stopped(
        self,
        tasks: asyncio.TaskGroup,
        handle: Callable[[Msg], Awaitable[None]],
        stopping: asyncio.Event,
    ) -> None:
        watcher = tasks.create_task(self._wake_on(stopping))
        while not stopping.is_set():
            self._wake.clear()
            while self._arrived:
                tasks.create_task(self._handle(handle, self._arrived.popleft()))
            await self._ask()
            try:
                async with asyncio.timeout(EXPIRES_S / 5):
                    await self._wake.wait()
            except TimeoutError:
                pass
        watcher.cancel()

    async def _wake_on(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._wake.set()

    async def _handle(self, handle: Callable[[Msg], Awaitable[None]], msg: Msg) -> None:
        try:
            await handle(msg)
        finally:
            self._in_hand -= 1
            self._wake.set()

    async def _ask(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._not_before:
            return
        if self._generation != self._bus.generation:
            self._generation = self._bus.generation
            self._requests.clear()
        while self._requests and self._requests[0].lost_at < now:
            self._requests.popleft()
        wanted = sum(request.remaining for request in self._requests)
        free = self._in_hand_max - self._in_hand - wanted
        if free < max(1, self._in_hand_max // 2) and wanted > 0:
            return
        if free < 1:
            return
        self._count += 1
        request = _Request(str(self._count), free, now + LOST_AFTER_S)
        body = {
            "batch": free,
            "expires": int(EXPIRES_S * _NANO),
            "idle_heartbeat": int(EXPIRES_S / 5 * _NANO),
        }
        self._requests.append(request)
        try:
            await self._bus.send_reply(
                self._subject, msgspec.json.encode(body), f"{self._inbox}.{request.token}"
            )
        except BusUnreachableError as error:
            self._problem = str(error)
            self._requests.remove(request)
            await asyncio.sleep(UNREACHABLE_WAIT_S)

    async def _on_message(self, msg: Msg) -> None:
        status = (msg.headers or {}).get("Status") if not msg.reply else None
        if status is not None:
            self._on_status(msg, status)
            return
        self._problem = None
        self._in_hand += 1
        self.waiting = _pending(msg.reply)
        if self._requests:
            first = self._requests[0]
            first.remaining -= 1
            if first.remaining <= 0:
                self._requests.popleft()
        self._arrived.append(msg)
        self._wake.set()

    def _on_status(self, msg: Msg, status: str) -> None:
        if status == "100":  # idle heartbeat: the consumer is there
            self._problem, self.waiting = None, 0
            return
        token = msg.subject.rpartition(".")[2]
        self._requests = deque(found for found in self._requests if found.token != token)
        if status in {"404", "408"}:  # nothing there: asked again
            self._problem, self.waiting = None, 0
        else:
            self._not_before = asyncio.get_running_loop().time() + UNREACHABLE_WAIT_S
            description = {str(key): text for key, text in (msg.headers or {}).items()}
            self._problem = f"{status} {description.get('Description', '')}".strip()
        self._wake.set()


def _pending(reply: str) -> int:
    try:
        return ack_numbers(reply)[3]
    except ValueError:
        return 0  # no delivery of a stream: whoever handles it says so
