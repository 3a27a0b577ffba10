"""Leases: at most one holder; a standby takes over."""

from __future__ import annotations

import asyncio

import pytest

from runbus.runtime.clock import SystemClock
from runbus.runtime.errors import FatalError
from runbus.runtime.leases import TTL_S, Lease
from support.buses import TestBus


def lease(on: TestBus, owner: str) -> Lease:
    return Lease(on.bus, "scheduler", owner, SystemClock(), on.log)


async def test_the_first_gets_the_lease_and_the_second_stands_by(on: TestBus) -> None:
    first, second, stopping = lease(on, "a"), lease(on, "b"), asyncio.Event()
    assert await first.acquire(stopping)

    waiting = asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, waiting.set)
    assert not await second.acquire(waiting)
    assert first.is_held
    assert not second.is_held
    assert first.ready_problem() is None
    assert second.ready_problem() is None, "a standby is ready to take over"


async def test_a_process_that_has_not_seen_the_lease_is_not_ready(on: TestBus) -> None:
    assert lease(on, "a").ready_problem() == "the lease is not held"


async def test_a_released_lease_is_taken_at_once(on: TestBus) -> None:
    first, second, stopping = lease(on, "a"), lease(on, "b"), asyncio.Event()
    await first.acquire(stopping)
    await first.release()

    async with asyncio.timeout(1):
        assert await second.acquire(stopping)
    assert second.revision > 0


async def test_a_lease_that_is_not_renewed_is_taken_after_its_time(on: TestBus) -> None:
    first, second, stopping = lease(on, "a"), lease(on, "b"), asyncio.Event()
    await first.acquire(stopping)
    revision = first.revision

    async with asyncio.timeout(TTL_S * 3):
        assert await second.acquire(stopping)
    assert second.revision > revision


async def test_the_same_instance_takes_its_own_lease_again_at_once(on: TestBus) -> None:
    first, again, stopping = lease(on, "a"), lease(on, "a"), asyncio.Event()
    await first.acquire(stopping)

    async with asyncio.timeout(1):
        assert await again.acquire(stopping)


async def test_a_holder_that_was_overtaken_stops_for_good(on: TestBus) -> None:
    first, second, stopping = lease(on, "a"), lease(on, "b"), asyncio.Event()
    await first.acquire(stopping)
    async with asyncio.timeout(TTL_S * 3):
        await second.acquire(stopping)

    with pytest.raises(FatalError, match="another replica"):
        await first.keep(stopping)
