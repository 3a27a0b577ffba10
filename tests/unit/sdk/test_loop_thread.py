"""A loop in a thread of its own: results, errors, iterations, and what ends them."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from runbus.sdk.loop_thread import AHEAD_MAX, LoopThread


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    running = LoopThread()
    yield running
    running.stop()


class Source:
    """Counts up to a number, and tells how far it came and that it was ended."""

    def __init__(self, most: int, error: Exception | None = None) -> None:
        self.most, self.error = most, error
        self.given = 0
        self.ended = threading.Event()

    async def items(self) -> AsyncIterator[int]:
        try:
            while self.given < self.most:
                self.given += 1
                yield self.given
            if self.error is not None:
                raise self.error
        finally:
            self.ended.set()


async def _double(value: int) -> int:
    await asyncio.sleep(0)
    if value < 0:
        message = "negative"
        raise ValueError(message)
    return 2 * value


def test_nothing_is_started_before_the_first_call() -> None:
    before = threading.active_count()
    LoopThread()
    assert threading.active_count() == before


def test_results_and_errors_come_to_the_caller(loop: LoopThread) -> None:
    assert loop.call(_double(2)) == 4
    with pytest.raises(ValueError, match="negative"):
        loop.call(_double(-1))


async def test_a_caller_with_a_loop_of_its_own_can_wait(loop: LoopThread) -> None:
    assert loop.call(_double(3)) == 6


def test_a_call_from_the_loops_own_thread_is_refused_instead_of_waiting_for_ever(
    loop: LoopThread,
) -> None:
    async def call_again() -> None:
        loop.call(_double(1))

    with pytest.raises(RuntimeError, match="await the async session"):
        loop.call(call_again())


def test_an_iteration_yields_everything_in_order(loop: LoopThread) -> None:
    many = AHEAD_MAX * 2
    assert list(loop.items(Source(many).items())) == list(range(1, many + 1))


def test_the_error_of_a_source_comes_after_what_it_had_yielded(loop: LoopThread) -> None:
    found: list[int] = []
    with pytest.raises(ValueError, match="broken"):
        found.extend(loop.items(Source(2, ValueError("broken")).items()))
    items = loop.items(Source(2, ValueError("broken")).items())
    assert [next(items), next(items)] == [1, 2]


def test_a_source_ends_when_its_reader_does_and_never_runs_far_ahead(loop: LoopThread) -> None:
    source = Source(AHEAD_MAX * 10)
    items = loop.items(source.items())
    assert next(items) == 1
    items.close()  # type: ignore[attr-defined]  # a generator, which Iterator does not say
    assert source.ended.wait(5)
    assert source.given <= AHEAD_MAX + 2


def test_after_a_stop_the_next_call_starts_anew(loop: LoopThread) -> None:
    assert loop.call(_double(1)) == 2
    loop.stop()
    assert loop.call(_double(2)) == 4


def test_ctrl_c_ends_the_waiting_and_what_was_waited_for(loop: LoopThread) -> None:
    ended = threading.Event()

    async def interrupted() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            ended.set()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # may be ignored in tests
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.call(interrupted())
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.wait(5)
    assert loop.call(_double(1)) == 2
