"""Pulling on a real server: when it is asked, and what becomes of messages at the end."""

from __future__ import annotations

import asyncio

import pytest
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from runbus.contracts import subjects
from runbus.contracts.streams import ABORT_CONSUMER, COMMANDS
from runbus.runtime.inbox import ACK_ACK
from runbus.runtime.pull import Puller
from runbus.sdk.bus import Bus
from support.buses import TestBus
from support.cluster import until
from support.runs import PROJECT, RUN_ID

SUBJECT = subjects.command(subjects.ABORT, PROJECT, RUN_ID)


class LeavingBus(Bus):
    """Messages come while a puller ends its subscription: as many as asked for, just before."""

    def __init__(self, on: TestBus, messages: int) -> None:
        super().__init__(on.bus.native())
        self.puller: Puller | None = None
        self.ended = asyncio.Event()
        self._messages = messages

    async def drain(self, subscription: Subscription, timeout_s: float = 1.0) -> None:
        assert self.puller is not None
        before = self.puller.in_hand
        for _ in range(self._messages):
            await self.publish(SUBJECT, b"{}")
        while self.puller.in_hand < before + self._messages:
            await asyncio.sleep(0.001)
        await super().drain(subscription, timeout_s)
        self.ended.set()


@pytest.mark.parametrize("arriving", [0, 5])
async def test_what_comes_while_the_last_one_is_finished_goes_to_another_replica_at_once(
    on: TestBus, arriving: int
) -> None:
    bus, stopping, finish, enough = LeavingBus(on, arriving), *(asyncio.Event() for _ in range(3))
    await bus.open()
    others = []

    async def slow(msg: Msg) -> None:
        stopping.set()
        await finish.wait()
        await bus.send(msg.reply, ACK_ACK)

    async def other(msg: Msg) -> None:
        others.append(msg.data)
        await on.bus.send(msg.reply, ACK_ACK)
        if len(others) == 20:
            enough.set()

    await on.bus.publish(SUBJECT, b"slow")
    bus.puller = Puller(bus, COMMANDS, ABORT_CONSUMER, in_hand_max=8)
    async with asyncio.TaskGroup() as tasks:
        leaving = tasks.create_task(bus.puller.run(slow, stopping))
        await bus.ended.wait()
        for _ in range(20 - arriving):
            await on.bus.publish(SUBJECT, b"{}")
        another = Puller(on.bus, COMMANDS, ABORT_CONSUMER, in_hand_max=8)
        async with asyncio.timeout(20):  # sooner than the server misses an acknowledgement
            await another.run(other, enough)
        assert not leaving.done()
        finish.set()

    async def all_answered() -> bool:
        info = await on.bus.api(f"STREAM.INFO.{COMMANDS}")
        return int(info["state"]["messages"]) == 0

    assert len(others) == 20
    await until(all_answered)  # the server takes in acknowledgements after it has answered a ping


class CountingBus(Bus):
    """Counts what is asked for."""

    asked = 0

    async def send_reply(self, subject: str, body: bytes, reply: str) -> None:
        self.asked += 1
        await super().send_reply(subject, body, reply)


async def test_a_consumer_that_is_not_there_is_asked_for_now_and_again_only(on: TestBus) -> None:
    bus, stopping = CountingBus(on.bus.native()), asyncio.Event()
    await bus.open()
    puller = Puller(bus, COMMANDS, "nobody", in_hand_max=8)

    async def handle(_msg: Msg) -> None:
        raise AssertionError

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(puller.run(handle, stopping))
        async with asyncio.timeout(10):
            while bus.asked < 2:
                await asyncio.sleep(0.01)
        problem, asked = puller.ready_problem(), bus.asked
        stopping.set()

    assert asked == 2
    assert problem is not None
    assert "503" in problem


async def test_messages_that_nobody_has_got_yet_are_counted_until_there_are_none(
    on: TestBus,
) -> None:
    puller = Puller(on.bus, COMMANDS, ABORT_CONSUMER, in_hand_max=1)
    for number in range(3):
        await on.bus.publish(SUBJECT, b"%d" % number)
    waiting: list[int] = []
    stopping = asyncio.Event()

    async def handle(msg: Msg) -> None:
        waiting.append(puller.waiting)
        await on.bus.send(msg.reply, b"+ACK")
        if len(waiting) == 3:
            stopping.set()

    async with asyncio.timeout(30):
        await puller.run(handle, stopping)

    assert waiting == [2, 1, 0]
