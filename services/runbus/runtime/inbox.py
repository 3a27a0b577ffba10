"""The message loop: each message to its handler, and each outcome to one of three fates.

Acknowledge after the effect; come back after a delay (`RetryableError`); or be set aside among
the dead letters (`PoisonError`), which ends the run it belongs to where that is still possible.
One bad message never holds up another: whatever a handler raises ends here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

import structlog
from msgspec import Struct
from nats.aio.msg import Msg

from runbus.contracts import envelope
from runbus.contracts.envelope import Envelope, EnvelopeError
from runbus.runtime.clock import Clock
from runbus.runtime.errors import FatalError, PoisonError, RetryableError
from runbus.runtime.logs import Log
from runbus.runtime.metrics import Metrics
from runbus.runtime.pull import Puller
from runbus.runtime.tracing import Received, Tracing
from runbus.sdk.bus import Bus
from runbus.sdk.errors import BusError
from runbus.sdk.follow import ack_numbers, deliveries

HANDLED, RETRIED, SET_ASIDE = FATES = ("handled", "retried", "set_aside")

ACK_ACK = b"+ACK"
ACK_TERMINATE = b"+TERM"

# A message whose handler fails in a way nobody foresaw is tried this often, then set aside.
UNFORESEEN_MAX = 5
UNFORESEEN_DELAY_S = 1.0
UNFORESEEN_KEPT_MAX = 10_000  # messages that are counted; beyond, the oldest counts are forgotten
# Every retry has an end. How often a message was delivered says little: the server counts our own
# "not now" as well, of which a night without an API server brings thousands (ADR-0009). One that
# still comes after weeks, such as one that kills its process, is set aside unhandled.
DELIVERIES_MAX = 1000
AGE_MAX = timedelta(days=14)
SET_ASIDE_AGAIN_S = 5.0
HANDLE_TIMEOUT_S = 25.0  # below the consumers' ack_wait of 30 s


class Delivery(Struct, frozen=True):
    """One message as a handler sees it."""

    subject: str
    data: bytes
    headers: Mapping[str, str]
    envelope: Envelope
    sequence: int
    deliveries: int
    stored_at: datetime
    reply: str


Handler = Callable[[Delivery], Awaitable[str]]
SetAside = Callable[[Delivery, str], Awaitable[None]]


class Inbox:
    """One durable consumer's messages on their way to one handler."""

    def __init__(
        self,
        bus: Bus,
        puller: Puller,
        log: Log,
        clock: Clock,
        *,
        set_aside: SetAside,
        metrics: Metrics | None = None,
        tracing: Tracing | None = None,
        deliveries_max: int = DELIVERIES_MAX,
    ) -> None:
        self._bus = bus
        self._puller = puller
        self._log = log
        self._clock = clock
        self._set_aside = set_aside
        self._metrics = metrics or Metrics()
        self._tracing = tracing or Tracing()
        self._deliveries_max = deliveries_max
        self._unforeseen: dict[int, int] = {}  # by the message's sequence
        for fate in FATES:  # a count that begins at one is no increase
            self._metrics.messages.labels(puller.consumer, fate)
        self._metrics.redeliveries.labels(puller.consumer)

    async def run(self, handler: Handler, stopping: asyncio.Event) -> None:
        """Handle messages until told to stop.

        Args:
            handler: returns the outcome's word for the log; it returns only once the effect is
                durable. Raises RetryableError, PoisonError or FatalError.
            stopping: set on SIGTERM.

        """

        async def handle(msg: Msg) -> None:
            await self._handle(handler, msg)

        await self._puller.run(handle, stopping)

    async def _handle(self, handler: Handler, msg: Msg) -> None:
        started = self._clock.monotonic()
        try:
            delivery = self._open(msg)
        except (ValueError, OverflowError, OSError) as error:  # not from a consumer of ours
            self._log.warning("no delivery of a stream", subject=msg.subject, error=str(error))
            return
        with (
            self._tracing.handling(self._received(delivery)) as span,
            structlog.contextvars.bound_contextvars(
                subject=delivery.subject,
                event_id=delivery.envelope.id,
                delivery=delivery.deliveries,
            ),
        ):
            outcome, reason = await self._fate(handler, delivery)
            if reason is not None:
                span.failed(outcome, reason)
            took_s = self._clock.monotonic() - started
            took_ms = round(took_s * 1000, 1)
            self._count(delivery, HANDLED if reason is None else outcome, took_s)
            level = self._log.info if reason is None else self._log.warning
            extra = {} if reason is None else {"reason": reason}
            level("message handled", outcome=outcome, duration_ms=took_ms, **extra)

    def _received(self, delivery: Delivery) -> Received:
        return Received(
            subject=delivery.subject,
            consumer=self._puller.consumer,
            message_id=delivery.envelope.id,
            body_bytes=len(delivery.data),
            traceparent=delivery.envelope.traceparent,
        )

    def _count(self, delivery: Delivery, fate: str, took_s: float) -> None:
        consumer = self._puller.consumer
        self._metrics.messages.labels(consumer, fate).inc()
        self._metrics.message_s.labels(consumer).observe(took_s)
        if delivery.deliveries > 1:
            self._metrics.redeliveries.labels(consumer).inc()

    async def _fate(self, handler: Handler, delivery: Delivery) -> tuple[str, str | None]:
        """Handle one message and answer for it; return the outcome and, if bad, why."""
        try:
            self._check_age(delivery)
            async with asyncio.timeout(HANDLE_TIMEOUT_S):
                outcome = await handler(delivery)
        except RetryableError as error:
            await self._answer(delivery, _nak(error.delay_s))
            return RETRIED, str(error)
        except PoisonError as error:
            return await self._poison(delivery, str(error))
        except TimeoutError:
            await self._answer(delivery, _nak(UNFORESEEN_DELAY_S))
            return RETRIED, f"took longer than {HANDLE_TIMEOUT_S:g} s"
        except FatalError:
            raise
        except Exception as error:  # noqa: BLE001 - the loop: one message never stops the others
            self._log.exception("handler failed", error=type(error).__name__)
            failures = self._count_unforeseen(delivery)
            if failures < UNFORESEEN_MAX:
                await self._answer(delivery, _nak(UNFORESEEN_DELAY_S * failures))
                return RETRIED, f"{type(error).__name__}: {error}"
            return await self._poison(delivery, f"{type(error).__name__}: {error}")
        self._unforeseen.pop(delivery.sequence, None)
        await self._answer(delivery, ACK_ACK)
        return outcome, None

    def _count_unforeseen(self, delivery: Delivery) -> int:
        """Return how often a message has failed here in a way nobody foresaw."""
        failures = self._unforeseen.pop(delivery.sequence, 0) + 1
        while len(self._unforeseen) >= UNFORESEEN_KEPT_MAX:
            del self._unforeseen[next(iter(self._unforeseen))]
        self._unforeseen[delivery.sequence] = failures
        return failures

    def _check_age(self, delivery: Delivery) -> None:
        age = self._clock.now() - delivery.stored_at
        if delivery.deliveries > self._deliveries_max and age > AGE_MAX:
            text = f"not handled in {age.days} days and {delivery.deliveries} deliveries"
            raise PoisonError(text)

    async def _poison(self, delivery: Delivery, reason: str) -> tuple[str, str]:
        try:
            await self._set_aside(delivery, reason)
        except Exception as error:  # noqa: BLE001 - the loop: one message never stops the others
            if not isinstance(error, RetryableError | BusError):
                self._log.exception("setting aside failed", error=type(error).__name__)
            await self._answer(delivery, _nak(SET_ASIDE_AGAIN_S))
            return RETRIED, f"cannot set aside ({type(error).__name__}: {error}): {reason}"
        await self._answer(delivery, ACK_TERMINATE)
        return SET_ASIDE, reason

    async def _answer(self, delivery: Delivery, answer: bytes) -> None:
        try:
            await self._bus.send(delivery.reply, answer)
        except BusError as error:  # it is delivered again, and handlers are idempotent
            self._log.warning("acknowledgement not sent", error=str(error))

    def _open(self, msg: Msg) -> Delivery:
        headers = {str(name): value for name, value in (msg.headers or {}).items()}
        try:
            found, data = envelope.open_message(headers, msg.data)
        except EnvelopeError:
            # The handler meets the raw body and says what is wrong with it.
            found, data = Envelope(id="", type="", source=""), msg.data
        sequence, _, stored_ns, _ = ack_numbers(msg.reply)
        return Delivery(
            subject=msg.subject,
            data=data,
            headers=headers,
            envelope=found,
            sequence=sequence,
            deliveries=deliveries(msg.reply),
            stored_at=datetime.fromtimestamp(stored_ns / 1e9, tz=self._clock.now().tzinfo),
            reply=msg.reply,
        )


def _nak(delay_s: float) -> bytes:
    return b'-NAK {"delay": %d}' % int(delay_s * 1e9)
