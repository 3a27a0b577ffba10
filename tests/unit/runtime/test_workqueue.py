"""The work queue: one worker a key, nothing lost, one alarm a key."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from runbus.runtime.errors import RetryableError
from runbus.runtime.workqueue import HEAP_SLACK, WorkQueue
from support.clocks import ManualClock
from support.runs import at


class Looked:
    """What was looked at, in order; stops the queue after so many looks."""

    def __init__(self, enough: int) -> None:
        self.keys: list[str] = []
        self.stopping = asyncio.Event()
        self._enough = enough

    def look(self, key: str) -> None:
        self.keys.append(key)
        if len(self.keys) >= self._enough:
            self.stopping.set()


def a_queue() -> tuple[WorkQueue, ManualClock]:
    clock = ManualClock()
    return WorkQueue(clock, structlog.get_logger()), clock


async def test_a_key_added_twice_before_it_is_looked_at_is_looked_at_once() -> None:
    queue, _ = a_queue()
    looked = Looked(2)
    queue.add("a")
    queue.add("a")
    queue.add("b")

    async def handle(key: str) -> None:
        looked.look(key)

    await queue.run(handle, looked.stopping, workers=1)

    assert looked.keys == ["a", "b"]


async def test_a_key_added_while_it_is_in_hand_is_looked_at_once_more() -> None:
    queue, _ = a_queue()
    looked = Looked(2)
    queue.add("a")

    async def handle(key: str) -> None:
        if not looked.keys:
            queue.add(key)
            queue.add(key)
        looked.look(key)

    await queue.run(handle, looked.stopping, workers=4)

    assert looked.keys == ["a", "a"]


async def test_a_key_is_in_one_workers_hands_at_a_time() -> None:
    queue, _ = a_queue()
    looked, in_hand, most = Looked(20), 0, 0

    async def handle(key: str) -> None:
        nonlocal in_hand, most
        in_hand += 1
        most = max(most, in_hand)
        queue.add(key)
        for _ in range(3):
            await asyncio.sleep(0)
        in_hand -= 1
        looked.look(key)

    queue.add("a")
    await queue.run(handle, looked.stopping, workers=8)

    assert most == 1


async def test_different_keys_are_looked_at_side_by_side() -> None:
    queue, _ = a_queue()
    looked = Looked(3)
    together = asyncio.Barrier(3)

    async def handle(key: str) -> None:
        await together.wait()
        looked.look(key)

    for key in "abc":
        queue.add(key)
    await queue.run(handle, looked.stopping, workers=3)

    assert sorted(looked.keys) == ["a", "b", "c"]


async def test_an_alarm_of_the_past_rings_at_once() -> None:
    queue, _ = a_queue()
    looked = Looked(1)
    queue.set_alarm("a", at(-5))

    async def handle(key: str) -> None:
        looked.look(key)

    await queue.run(handle, looked.stopping, workers=1)

    assert looked.keys == ["a"]


async def test_alarms_ring_in_the_order_of_their_times_and_not_before() -> None:
    queue, clock = a_queue()
    looked = Looked(3)
    queue.set_alarm("late", at(60))
    queue.set_alarm("early", at(30))
    queue.add("tick")

    async def handle(key: str) -> None:
        looked.look(key)
        clock.advance(30)
        queue.set_alarm(f"noticed after {key}", at(10_000))  # has the heap looked at again
        queue.set_alarm(f"soon {key}", None)
        queue.set_alarm("wake", clock.now() + timedelta(seconds=3600))

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(queue.run(handle, looked.stopping, workers=1))
        while not looked.stopping.is_set():
            queue.set_alarm("nudge", clock.now() + timedelta(seconds=20))
            await asyncio.sleep(0)
        await running

    assert looked.keys == ["tick", "early", "late"]


async def test_an_alarm_that_is_replaced_or_cleared_does_not_ring() -> None:
    queue, clock = a_queue()
    looked = Looked(1)
    queue.set_alarm("cleared", at(1))
    queue.set_alarm("replaced", at(1))
    queue.set_alarm("rings", at(1))
    queue.set_alarm("cleared", None)
    queue.set_alarm("replaced", at(500))
    clock.advance(2)

    async def handle(key: str) -> None:
        looked.look(key)

    await queue.run(handle, looked.stopping, workers=1)

    assert looked.keys == ["rings"]


async def test_a_look_in_vain_comes_back_after_its_delay() -> None:
    queue, clock = a_queue()
    looked = Looked(2)

    async def handle(key: str) -> None:
        looked.look(key)
        if len(looked.keys) == 1:
            clock.advance(7)  # the delay is over by the time it is asked for again
            text = "not now"
            raise RetryableError(text, delay_s=0)

    queue.add("a")
    await queue.run(handle, looked.stopping, workers=1)

    assert looked.keys == ["a", "a"]


async def test_what_nobody_foresaw_holds_up_no_other_key() -> None:
    queue, _ = a_queue()
    looked = Looked(3)

    async def handle(key: str) -> None:
        looked.look(key)
        if key == "bad":
            raise ZeroDivisionError

    for key in ("bad", "good", "better"):
        queue.add(key)
    await queue.run(handle, looked.stopping, workers=1)

    assert looked.keys == ["bad", "good", "better"]


async def test_what_is_in_hand_is_finished_when_told_to_stop() -> None:
    queue, _ = a_queue()
    stopping, finished = asyncio.Event(), []

    async def handle(key: str) -> None:
        stopping.set()
        for _ in range(5):
            await asyncio.sleep(0)
        finished.append(key)

    queue.add("a")
    await queue.run(handle, stopping, workers=1)

    assert finished == ["a"]


def test_alarms_that_were_cleared_do_not_pile_up_until_their_time() -> None:
    queue, _ = a_queue()

    for number in range(10_000):
        queue.set_alarm(f"run-{number}", at(86_400 + number))
        queue.forget(f"run-{number}")

    assert queue.alarms == 0
    assert queue.memory <= HEAP_SLACK
