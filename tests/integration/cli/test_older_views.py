"""What is told of a run is what has been seen of it, also where the bus shows an older view."""

from __future__ import annotations

import msgspec
import pytest

from runbus.cli.exits import Exit
from runbus.cli.waiting import wait_and_tell
from runbus.contracts.states import EventType, RunState
from runbus.contracts.transitions import Publisher
from runbus.sdk.client import Client
from support.buses import TestBus, a_bus_behind
from support.runs import PROJECT, RUN_ID


async def test_a_run_that_was_waited_for_is_shown_as_it_ended(
    bus: TestBus, capsys: pytest.CaptureFixture[str]
) -> None:
    admitted = await bus.admit(await bus.accept())
    behind = await a_bus_behind(bus)
    await bus.store(
        EventType.COMPLETED, Publisher.STATE_WATCHER, admitted, state=RunState.COMPLETED
    )

    fate = await wait_and_tell(Client(behind), [(PROJECT, RUN_ID)], "json")

    (shown,) = msgspec.json.decode(capsys.readouterr().out)
    assert (fate, shown["state"]) == (Exit.DONE, RunState.COMPLETED)
