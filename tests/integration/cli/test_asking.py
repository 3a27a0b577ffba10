"""abort, init, and a bus that is not there or not set up."""

from __future__ import annotations

import os
from pathlib import Path

from runbus.cli.connection import Context, write_context
from runbus.contracts.states import EventType, RunState
from runbus.contracts.transitions import Publisher
from support.buses import TestBus
from support.commands import Command
from support.runs import a_status
from support.stack import running_nats


async def test_aborting_a_run_stores_the_command_with_who_and_why(
    bus: TestBus, command: Command
) -> None:
    await bus.accept(a_status())
    done = await command("abort", "train", "-m", "wrong data")
    assert (done.code, done.out) == (0, "nlp/abcdefghij23 train is being aborted\n")
    stored = await bus.bus.last_message("RUNBUS_COMMANDS", "runbus.v1.abort.nlp.abcdefghij23")
    assert stored is not None
    assert b'"message":"wrong data"' in stored.data
    assert b'"by":' in stored.data


async def test_aborting_a_run_that_is_over_answers_with_the_state_it_has(
    bus: TestBus, command: Command
) -> None:
    admitted = await bus.admit(await bus.accept(a_status()))
    await bus.store(
        EventType.COMPLETED, Publisher.STATE_WATCHER, admitted, state=RunState.COMPLETED
    )
    done = await command("abort", "nlp/abcdefghij23")
    assert done.code == 0
    assert "is over already: completed" in done.out
    stored = await bus.bus.last_message("RUNBUS_COMMANDS", "runbus.v1.abort.nlp.abcdefghij23")
    assert stored is None


async def test_several_runs_are_aborted_at_once_or_none_where_one_is_unknown(
    bus: TestBus, command: Command
) -> None:
    runs = {"abcdefghij23": "train", "bbcdefghij23": "test"}
    for run_id, name in runs.items():
        await bus.accept(a_status(run_id=run_id, name=name))
    mistaken = await command("abort", "train", "tset")
    assert (mistaken.code, "tset" in mistaken.err) == (4, True)
    subject = "runbus.v1.abort.nlp.abcdefghij23"
    assert await bus.bus.last_message("RUNBUS_COMMANDS", subject) is None

    done = await command("abort", "train", "test", "nlp/bbcdefghij23")
    assert (done.code, done.out) == (
        0,
        "nlp/abcdefghij23 train is being aborted\nnlp/bbcdefghij23 test is being aborted\n",
    )


async def test_init_can_be_repeated_and_says_what_it_did(tmp_path: Path) -> None:
    async with running_nats(tmp_path) as nats:
        command = Command({"RUNBUS_STATE_DIR": str(tmp_path / "state")})
        unready = await command("list", "--nats-url", nats.url)
        assert unready.code == 6
        assert "runbus init" in unready.err
        made = (await command("init", "--nats-url", nats.url, "-o", "json")).json
        assert {each["outcome"] for each in made} == {"made"}
        again = await command("init", "--nats-url", nats.url)
        assert again.code == 0
        assert "everything was there already" in again.err


async def test_a_bus_that_cannot_be_reached_is_exit_6_with_the_way_out(tmp_path: Path) -> None:
    command = Command(
        {"RUNBUS_STATE_DIR": str(tmp_path), "RUNBUS_NATS_URL": "nats://secret@127.0.0.1:1"}
    )
    for arguments in (("list",), ("watch", "x"), ("abort", "x"), ("init",)):
        done = await command(*arguments)
        assert (done.code, done.out) == (6, "")
        assert "cannot reach the bus at nats://127.0.0.1:1 (from RUNBUS_NATS_URL)" in done.err
        assert "runbus up" in done.err
        assert "secret" not in done.err


async def test_the_bus_of_an_up_is_found_without_being_told(bus: TestBus, tmp_path: Path) -> None:
    environment = {"RUNBUS_STATE_DIR": str(tmp_path / "elsewhere")}
    write_context(
        Context(nats_url=bus.nats.url, kubeconfig="", dir=str(tmp_path), pid=os.getpid()),
        environment,
    )
    await bus.accept(a_status())
    assert (await Command(environment)("list", "-o", "name")).out == "nlp/abcdefghij23\n"
