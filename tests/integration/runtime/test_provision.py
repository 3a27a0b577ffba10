"""`init`: makes everything, changes what differs, destroys nothing."""

from __future__ import annotations

import pytest

from runbus.contracts.streams import COMMANDS, EVENTS
from runbus.sdk.provision import ProvisionError, provision
from support.buses import TestBus


async def test_a_second_time_changes_nothing(on: TestBus) -> None:
    done = await provision(on.bus)

    assert {each.outcome for each in done} == {"unchanged"}


async def test_what_differs_is_changed_in_place_and_keeps_its_messages(on: TestBus) -> None:
    await on.accept()
    config = (await on.bus.api(f"STREAM.INFO.{EVENTS}"))["config"]
    await on.bus.api(f"STREAM.UPDATE.{EVENTS}", config | {"description": "changed by hand"})

    done = {each.name: each.outcome for each in await provision(on.bus)}

    info = await on.bus.api(f"STREAM.INFO.{EVENTS}")
    assert done[EVENTS] == "changed"
    assert info["state"]["messages"] == 1
    assert info["config"]["description"] == config["description"]


async def test_what_an_administrator_added_stays(on: TestBus) -> None:
    config = (await on.bus.api(f"STREAM.INFO.{EVENTS}"))["config"]
    await on.bus.api(f"STREAM.UPDATE.{EVENTS}", config | {"max_bytes": 10_000_000})

    await provision(on.bus)

    info = await on.bus.api(f"STREAM.INFO.{EVENTS}")
    assert info["config"]["max_bytes"] == 10_000_000


async def test_what_cannot_be_changed_is_named_with_the_way_out(on: TestBus) -> None:
    await on.bus.api(f"STREAM.DELETE.{COMMANDS}")
    await on.bus.api(
        f"STREAM.CREATE.{COMMANDS}",
        {
            "name": COMMANDS,
            "subjects": ["runbus.v1.submit.*"],
            "retention": "limits",
            "storage": "file",
        },
    )

    with pytest.raises(ProvisionError, match="runbus never deletes it"):
        await provision(on.bus)
