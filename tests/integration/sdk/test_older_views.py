"""A handle never goes back in time, also where the bus shows an older view than it has seen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runbus.contracts.states import EventType, RunState
from runbus.contracts.transitions import Publisher
from runbus.sdk import AsyncRun, AsyncSession
from runbus.sdk.client import Client
from support.buses import BusBehind, TestBus, a_bus_behind, running_bus
from support.runs import PROJECT, RUN_ID

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def on(tmp_path: Path) -> AsyncIterator[TestBus]:
    async with running_bus(tmp_path) as bus:
        yield bus


async def a_handle(bus: BusBehind) -> AsyncRun:
    client = Client(bus)
    return AsyncRun(AsyncSession(), client, await client.get(PROJECT, RUN_ID))


async def test_the_status_is_the_newest_that_was_seen(on: TestBus) -> None:
    accepted = await on.accept()
    bus = await a_bus_behind(on)
    run = await a_handle(bus)
    await on.admit(accepted)
    states = []
    async for _ in run.events():
        states.append(run.state)
        if run.state is RunState.ADMITTED:
            break
    async for _ in run.events():
        states.append(run.state)
        break
    states.append((await run.refresh()).state)

    assert states == [RunState.ACCEPTED, *[RunState.ADMITTED] * 3]
    assert bus.old_answers == 2


async def test_a_run_that_is_over_is_not_under_way_again_by_an_abort(on: TestBus) -> None:
    accepted = await on.accept()
    run = await a_handle(await a_bus_behind(on))
    admitted = await on.admit(accepted)
    await on.store(
        EventType.ATTEMPT_FAILED, Publisher.STATE_WATCHER, admitted, state=RunState.ERROR
    )

    ended = await run.wait(10, raise_on_failure=False)

    assert (ended.state, (await run.abort()).state) == (RunState.ERROR, RunState.ERROR)
