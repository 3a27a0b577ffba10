"""Consumers, followers, leases and requests: alike on a nats-server and on the simulated one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import structlog
from nats.aio.msg import Msg

from conformance.bus_worlds import BusWorld, Run
from runbus.contracts import subjects
from runbus.contracts.streams import COMMANDS, EVENTS, SUBMIT_CONSUMER
from runbus.runtime.inbox import ACK_ACK, ACK_TERMINATE
from runbus.runtime.leases import Lease
from runbus.runtime.pull import Puller
from runbus.sdk.bus import Bus
from runbus.sdk.errors import BusRefusedError
from runbus.sdk.follow import deliveries, follow

SUBMIT = subjects.submit("nlp")
ACK, NAK, TERM, PROGRESS = ACK_ACK, b"-NAK", ACK_TERMINATE, b"+WPI"
LIMIT_S = 60.0


class LoopClock:
    """The loop's own time: real on a real loop, virtual on a virtual one."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.monotonic(), UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class Hands:
    """Pulls from the work queue of submits, and answers each delivery as told."""

    def __init__(
        self, bus: Bus, answer: Callable[[Msg], bytes | None], in_hand_max: int = 16
    ) -> None:
        self._bus = bus
        self._answer = answer
        self._puller = Puller(bus, COMMANDS, SUBMIT_CONSUMER, in_hand_max=in_hand_max)
        self._stopping = asyncio.Event()
        self.taken: list[tuple[bytes, int]] = []

    async def _handle(self, msg: Msg) -> None:
        self.taken.append((msg.data, deliveries(msg.reply)))
        answer = self._answer(msg)
        if answer is not None:
            await self._bus.send(msg.reply, answer)

    async def take(
        self, count: int, meanwhile: Callable[[], object] | None = None
    ) -> list[tuple[bytes, int]]:
        """Pull until so many deliveries have come; return them, with the number of each."""
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._puller.run(self._handle, self._stopping))
            while len(self.taken) < count:
                await asyncio.sleep(0.01)
            self._stopping.set()
        return self.taken


async def left(bus: Bus) -> int:
    """Return how many messages the work queue holds, once acknowledgements have arrived."""
    await bus.ping()
    info = await bus.api(f"STREAM.INFO.{COMMANDS}")
    return int(info["state"]["messages"])


def test_what_is_acknowledged_leaves_the_work_queue(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        for number in range(3):
            await world.bus.publish(SUBMIT, b"%d" % number)
        hands = Hands(world.bus, lambda _: ACK)
        assert sorted(await hands.take(3)) == [(b"0", 1), (b"1", 1), (b"2", 1)]
        assert await left(world.bus) == 0

    on_bus(case)


def test_what_is_refused_for_now_comes_again_after_its_delay(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        loop, at = asyncio.get_running_loop(), []

        def answer(msg: Msg) -> bytes:
            at.append(loop.time())
            return ACK if deliveries(msg.reply) == 2 else NAK + b' {"delay": 500000000}'

        await world.bus.publish(SUBMIT, b"x")
        assert await Hands(world.bus, answer).take(2) == [(b"x", 1), (b"x", 2)]
        assert 0.4 < at[1] - at[0] < 10
        assert await left(world.bus) == 0

    on_bus(case)


def test_what_is_ended_does_not_come_again(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        await world.bus.publish(SUBMIT, b"bad")
        await world.bus.publish(SUBMIT, b"good")
        answers = {b"bad": TERM, b"good": ACK}
        taken = await Hands(world.bus, lambda msg: answers[msg.data]).take(2)
        assert sorted(taken) == [(b"bad", 1), (b"good", 1)]
        assert await left(world.bus) == 0

    on_bus(case)


def test_what_is_in_the_hands_of_a_dead_process_comes_to_another(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        await shorten_ack_wait(world.bus)
        await world.bus.publish(SUBMIT, b"x")
        other = await world.connect("second")
        assert await Hands(world.bus, lambda _: None).take(1) == [(b"x", 1)]
        assert await Hands(other, lambda _: ACK).take(1) == [(b"x", 2)]
        assert await left(world.bus) == 0

    on_bus(case)


def test_who_is_at_work_keeps_the_message(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        await shorten_ack_wait(world.bus)
        await world.bus.publish(SUBMIT, b"x")
        replies: list[str] = []

        def keep(msg: Msg) -> None:
            replies.append(msg.reply)

        await Hands(world.bus, keep).take(1)
        for _ in range(6):
            await world.bus.send(replies[0], PROGRESS)
            await asyncio.sleep(0.5)
        await world.bus.send(replies[0], ACK)
        assert await left(world.bus) == 0

    on_bus(case)


async def shorten_ack_wait(bus: Bus) -> None:
    """Have what is in hand come again after one second."""
    where = f"{COMMANDS}.{SUBMIT_CONSUMER}"
    config = (await bus.api(f"CONSUMER.INFO.{where}"))["config"]
    body = {"stream_name": COMMANDS, "config": {**config, "ack_wait": 1_000_000_000}}
    await bus.api(f"CONSUMER.DURABLE.CREATE.{where}", body)


def test_pulls_go_on_after_the_server_was_killed(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        hands = Hands(world.bus, lambda _: ACK)

        async def restart() -> None:
            await world.bus.publish(SUBMIT, b"before")
            while not hands.taken:
                await asyncio.sleep(0.01)
            await world.kill()
            await world.start()
            await world.bus.publish(SUBMIT, b"after")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(restart())
            taken = await hands.take(2)
        assert {data for data, _ in taken} == {b"before", b"after"}

    on_bus(case)


def test_filters_of_a_work_queue_never_overlap(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        config = {"durable_name": "other", "filter_subject": SUBMIT, "ack_policy": "explicit"}
        with pytest.raises(BusRefusedError):
            await world.bus.api(
                f"CONSUMER.DURABLE.CREATE.{COMMANDS}.other",
                {"stream_name": COMMANDS, "config": config},
            )

    on_bus(case)


def test_a_follower_gets_everything_in_order(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        async def publish(first: int) -> None:
            for number in range(first, first + 150):
                await world.bus.publish(f"runbus.v1.run.nlp.r{number}.00.accepted", b"%d" % number)

        await publish(0)
        seen: list[bytes] = []
        async with follow(world.bus, EVENTS, ("runbus.v1.run.nlp.>",)) as follower:
            await publish(150)
            async with asyncio.timeout(LIMIT_S):
                while len(seen) < 300:
                    seen += [each.data for each in await follower.next_batch()]
        assert seen == [b"%d" % number for number in range(300)]

    on_bus(case)


def test_a_follower_loses_nothing_to_a_killed_server(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        seen: list[bytes] = []
        async with follow(world.bus, EVENTS, ("runbus.v1.run.nlp.>",)) as follower:
            for number in range(10):
                await world.bus.publish(f"runbus.v1.run.nlp.r{number}.00.accepted", b"%d" % number)
            await world.kill()
            await world.start()
            await world.bus.publish("runbus.v1.run.nlp.r10.00.accepted", b"10")
            async with asyncio.timeout(LIMIT_S):
                while len(seen) < 11:
                    seen += [each.data for each in await follower.next_batch()]
        assert seen == [b"%d" % number for number in range(11)]

    on_bus(case)


def test_a_follower_gets_only_what_it_asked_for(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        for subject in ("nlp.a.00.accepted", "vision.b.01.accepted", "nlp.c.02.admitted"):
            await world.bus.publish(f"runbus.v1.run.{subject}", subject.encode())
        filters = ("runbus.v1.run.vision.>", "runbus.v1.run.*.*.02.*")
        seen: list[bytes] = []
        async with follow(world.bus, EVENTS, filters) as follower:
            async with asyncio.timeout(LIMIT_S):
                while len(seen) < 2:
                    seen += [each.data for each in await follower.next_batch()]
        assert seen == [b"vision.b.01.accepted", b"nlp.c.02.admitted"]

    on_bus(case)


def lease(bus: Bus, owner: str) -> Lease:
    return Lease(bus, "shard", owner, LoopClock(), structlog.get_logger())


def test_a_lease_has_one_holder_and_is_taken_over_after_its_time(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        stopping = asyncio.Event()
        first, second = lease(world.bus, "a"), lease(await world.connect("second"), "b")
        assert await first.acquire(stopping)
        began_s = asyncio.get_running_loop().time()
        async with asyncio.timeout(LIMIT_S):
            assert await second.acquire(stopping)
        assert asyncio.get_running_loop().time() - began_s > 1.5
        assert second.revision > first.revision

    on_bus(case)


def test_a_lease_that_is_given_back_is_taken_at_once(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        stopping = asyncio.Event()
        first, second = lease(world.bus, "a"), lease(await world.connect("second"), "b")
        assert await first.acquire(stopping)
        await first.release()
        assert await second.acquire(stopping)
        assert second.is_held

    on_bus(case)


def test_a_request_is_answered_by_one_of_those_who_share_a_queue(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        answered: list[str] = []

        async def serve(name: str) -> None:
            bus = await world.connect(name)

            async def answer(msg: Msg) -> None:
                answered.append(name)
                await bus.send(msg.reply, name.encode())

            await bus.subscribe("runbus.v1.api.submit.*", answer, queue="q")
            await bus.ping()

        await serve("a")
        await serve("b")
        for _ in range(20):
            reply = await world.bus.request("runbus.v1.api.submit.nlp", b"{}")
            assert reply.data.decode() in {"a", "b"}
        assert len(answered) == 20

    on_bus(case)
