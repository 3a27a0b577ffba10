"""Messages and their three fates, on a real work queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from runbus.contracts import codec, subjects
from runbus.contracts.replies import DeadLetter
from runbus.contracts.states import RunState
from runbus.contracts.streams import (
    ABORT_CONSUMER,
    COMMANDS,
    DEADLETTERS,
    EVENTS,
    LAUNCH_CONSUMER,
)
from runbus.contracts.transitions import Publisher
from runbus.runtime.clock import Clock, SystemClock
from runbus.runtime.deadletters import DeadLetters
from runbus.runtime.errors import PoisonError, RetryableError
from runbus.runtime.inbox import Delivery, Inbox, SetAside
from runbus.runtime.pull import Puller
from support.buses import TestBus
from support.clocks import ManualClock
from support.runs import PROJECT, RUN_ID

SUBJECT = subjects.command(subjects.ABORT, PROJECT, RUN_ID)
FEW = 20  # deliveries, for what has a thousand otherwise
Handler = Callable[[Delivery], Awaitable[str]]


async def handled(
    on: TestBus,
    handler: Handler,
    enough: asyncio.Event,
    *,
    stream: str = COMMANDS,
    consumer: str = ABORT_CONSUMER,
    in_hand_max: int = 8,
    clock: Clock | None = None,
    set_aside: SetAside | None = None,
) -> None:
    """Handle messages until there were enough."""
    puller = Puller(on.bus, stream, consumer, in_hand_max=in_hand_max)
    letters = DeadLetters(
        on.bus, on.run_log(Publisher.POD_LAUNCHER), Publisher.POD_LAUNCHER, SystemClock()
    )
    inbox = Inbox(
        on.bus,
        puller,
        on.log,
        clock or SystemClock(),
        set_aside=set_aside or letters.set_aside,
        deliveries_max=FEW,
    )
    async with asyncio.timeout(30):
        await inbox.run(handler, enough)


async def left(on: TestBus, stream: str) -> int:
    info = await on.bus.api(f"STREAM.INFO.{stream}")
    return int(info["state"]["messages"])


async def test_a_handled_message_leaves_the_work_queue(on: TestBus) -> None:
    enough = asyncio.Event()

    async def handler(delivery: Delivery) -> str:
        assert delivery.subject == SUBJECT
        enough.set()
        return "done"

    await on.bus.publish(SUBJECT, b"{}")
    await handled(on, handler, enough)

    await on.bus.ping()
    assert await left(on, COMMANDS) == 0


async def test_a_retryable_message_comes_back_after_its_delay(on: TestBus) -> None:
    enough, seen = asyncio.Event(), []

    async def handler(delivery: Delivery) -> str:
        seen.append(delivery.deliveries)
        if len(seen) < 3:
            text = "not now"
            raise RetryableError(text, delay_s=0.05)
        enough.set()
        return "done"

    await on.bus.publish(SUBJECT, b"{}")
    await handled(on, handler, enough)

    assert seen == [1, 2, 3]


async def test_a_poison_message_goes_to_the_dead_letters_and_blocks_nothing(on: TestBus) -> None:
    enough, good = asyncio.Event(), []

    async def handler(delivery: Delivery) -> str:
        if delivery.data == b"bad":
            text = "cannot be read: /by"
            raise PoisonError(text)
        good.append(delivery.data)
        if len(good) == 5:
            enough.set()
        return "done"

    for body in (b"bad", b"1", b"2", b"3", b"4", b"5"):
        await on.bus.publish(SUBJECT, body)
    await handled(on, handler, enough)

    message = await on.bus.last_message(DEADLETTERS, subjects.dead_letter("pod-launcher"))
    assert message is not None
    letter = codec.decode(DeadLetter, message.data)
    assert (letter.reason, letter.body, letter.run_id) == ("cannot be read: /by", b"bad", RUN_ID)
    assert await left(on, COMMANDS) == 0


async def test_what_nobody_foresaw_is_tried_again_and_then_set_aside(on: TestBus) -> None:
    enough, tries = asyncio.Event(), []

    async def handler(delivery: Delivery) -> str:
        tries.append(delivery.deliveries)
        if delivery.deliveries == 2:
            enough.set()
        raise ZeroDivisionError

    await on.bus.publish(SUBJECT, b"{}")
    await handled(on, handler, enough)

    assert tries == [1, 2]
    assert await left(on, COMMANDS) == 1


async def retried_again_and_again(on: TestBus, clock: Clock) -> int:
    """Say "not now" beyond the maximum; return how often it was asked."""
    enough, tries = asyncio.Event(), 0

    async def handler(delivery: Delivery) -> str:
        nonlocal tries
        tries += 1
        if delivery.deliveries == FEW + 1:
            enough.set()
        raise RetryableError("no API server", delay_s=0.0)

    async def aside(_delivery: Delivery, _reason: str) -> None:
        enough.set()

    await on.bus.publish(SUBJECT, b"{}")
    await handled(on, handler, enough, clock=clock, set_aside=aside)
    return tries


async def test_a_message_that_has_to_wait_for_the_world_is_never_set_aside_for_that(
    on: TestBus,
) -> None:
    assert await retried_again_and_again(on, SystemClock()) == FEW + 1


async def test_what_nobody_foresaw_is_forgiven_once_after_a_long_outage_too(on: TestBus) -> None:
    enough, fates = asyncio.Event(), []

    async def handler(delivery: Delivery) -> str:
        fates.append(delivery.deliveries)
        if len(fates) < FEW:
            raise RetryableError("no API server", delay_s=0.0)
        if len(fates) == FEW:
            raise ZeroDivisionError
        enough.set()
        return "done"

    await on.bus.publish(SUBJECT, b"{}")
    await handled(on, handler, enough)

    await on.bus.ping()
    assert (len(fates), await left(on, COMMANDS)) == (FEW + 1, 0)
    assert await left(on, DEADLETTERS) == 0


async def test_a_message_that_was_not_handled_for_weeks_is_set_aside(on: TestBus) -> None:
    late = ManualClock(datetime.now(UTC) + timedelta(days=15))

    assert await retried_again_and_again(on, late) == FEW


async def test_a_message_that_cannot_even_be_set_aside_comes_back_and_ends_nothing(
    on: TestBus,
) -> None:
    enough = asyncio.Event()

    async def handler(delivery: Delivery) -> str:
        if delivery.data == b"good":
            enough.set()
            return "done"
        raise PoisonError("cannot be read")

    async def broken(_delivery: Delivery, _reason: str) -> None:
        raise ZeroDivisionError

    await on.bus.publish(SUBJECT, b"bad")
    await on.bus.publish(SUBJECT, b"good")
    await handled(on, handler, enough, in_hand_max=1, set_aside=broken)

    await on.bus.ping()
    assert await left(on, COMMANDS) == 1


async def test_the_poisoned_event_of_a_waiting_run_ends_that_run(on: TestBus) -> None:
    enough = asyncio.Event()
    await on.admit(await on.accept())

    async def handler(_delivery: Delivery) -> str:
        enough.set()
        text = "cannot be rendered"
        raise PoisonError(text)

    await handled(on, handler, enough, stream=EVENTS, consumer=LAUNCH_CONSUMER)

    newest = await on.run_log(Publisher.SCHEDULER).newest(PROJECT, RUN_ID)
    assert newest is not None
    assert (newest.status.state, newest.status.reason) == (RunState.ERROR, "InternalError")
    assert "cannot be rendered" in newest.status.status_text


async def test_never_more_than_the_maximum_is_in_hand(on: TestBus) -> None:
    enough, in_hand, most, done = asyncio.Event(), 0, 0, 0

    async def handler(_delivery: Delivery) -> str:
        nonlocal in_hand, most, done
        in_hand += 1
        most = max(most, in_hand)
        await on.bus.ping()
        in_hand -= 1
        done += 1
        if done == 100:
            enough.set()
        return "done"

    for _ in range(100):
        await on.bus.publish(SUBJECT, b"{}")
    await handled(on, handler, enough, in_hand_max=4)

    assert done == 100
    assert most <= 4


async def test_messages_go_on_after_the_server_was_killed_and_started_again(
    on: TestBus,
) -> None:
    enough, seen = asyncio.Event(), []

    async def handler(delivery: Delivery) -> str:
        seen.append(delivery.data)
        if delivery.data == b"second":
            enough.set()
        return "done"

    async def restart() -> None:
        await on.bus.publish(SUBJECT, b"first")
        while b"first" not in seen:
            await on.bus.ping()
        on.nats.kill()
        await on.nats.wait()
        await on.nats.start()
        await on.nats.wait_ready(20)
        while True:
            try:
                await on.bus.publish(SUBJECT, b"second")
            except Exception:  # noqa: BLE001 - the connection comes back by itself
                await asyncio.sleep(0.1)
            else:
                return

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(restart())
        tasks.create_task(handled(on, handler, enough))

    assert b"second" in seen


async def test_a_poison_message_too_large_for_a_letter_is_set_aside_with_its_beginning(
    on: TestBus,
) -> None:
    enough = asyncio.Event()
    body = b"x" * 900_000

    async def handler(delivery: Delivery) -> str:
        enough.set()
        text = "cannot be read"
        raise PoisonError(text)

    await on.bus.publish(SUBJECT, body)
    await handled(on, handler, enough)

    message = await on.bus.last_message(DEADLETTERS, subjects.dead_letter("pod-launcher"))
    assert message is not None
    letter = codec.decode(DeadLetter, message.data)
    assert letter.body_bytes == len(body)
    assert body.startswith(letter.body)
    assert len(letter.body) > 100_000
    assert await left(on, COMMANDS) == 0
