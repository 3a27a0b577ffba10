"""list, get, watch, wait and logs on events that stand on a real bus."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import pytest

from runbus.contracts import codec, subjects
from runbus.contracts.evidence import ContainerEvidence, PodEvidence, RunEvidence
from runbus.contracts.identity import run_id_from_key
from runbus.contracts.states import EventType, RunState
from runbus.contracts.transitions import Publisher
from runbus.runtime.runlog import RunRecord
from support.buses import TestBus
from support.commands import Command
from support.runs import T0, a_status, limits

WATCHER = Publisher.STATE_WATCHER


async def a_running_run(bus: TestBus, project: str = "nlp", name: str = "train") -> RunRecord:
    """Store the events of a run up to running."""
    status = a_status(
        run_id=run_id_from_key(project, name),
        project=project,
        name=name,
        thresholds=limits(running=86400.0),
    )
    admitted = await bus.admit(await bus.accept(status))
    return await bus.store(EventType.RUNNING, WATCHER, admitted, state=RunState.RUNNING)


async def complete(bus: TestBus, record: RunRecord) -> RunRecord:
    """Store the completion of a run."""
    return await bus.store(
        EventType.COMPLETED, WATCHER, record, state=RunState.COMPLETED, exit_code=0
    )


async def test_a_list_shows_all_runs_and_those_that_are_over_last(
    bus: TestBus, command: Command
) -> None:
    running = await a_running_run(bus)
    await complete(bus, await a_running_run(bus, name="eval"))
    await a_running_run(bus, project="vision")
    listed = (await command("list", "-o", "json")).json
    assert [(each["project"], each["name"], each["state"]) for each in listed] == [
        ("vision", "train", "running"),
        ("nlp", "train", "running"),
        ("nlp", "eval", "completed"),
    ]
    assert listed[1]["sequence"] == running.sequence
    names = await command("ls", "-o", "name", "--project", "vision")
    assert names.out == f"vision/{run_id_from_key('vision', 'train')}\n"
    filtered = await command("list", "-s", "completed", "-o", "jsonl")
    assert [each["name"] for each in filtered.json_lines] == ["eval"]
    table = await command("list", "--no-headers", "-s", "running")
    assert [line.split()[:2] for line in table.out.splitlines()] == [
        ["vision", "train"],
        ["nlp", "train"],
    ]


async def test_a_list_without_runs_is_empty_and_says_so_beside_the_data(
    bus: TestBus, command: Command
) -> None:
    shown = await command("list")
    assert (shown.code, shown.out, shown.err) == (0, "", "no runs\n")
    assert (await command("list", "-o", "json")).json == []


async def test_a_list_that_watches_prints_the_runs_and_then_every_change(
    bus: TestBus, command: Command
) -> None:
    record = await a_running_run(bus)
    async with command.started("list", "-w", "-o", "jsonl") as process:
        assert process.stdout is not None
        assert b'"running"' in await process.stdout.readline()
        await complete(bus, record)
        assert b'"completed"' in await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130


async def test_a_run_is_found_by_id_name_and_prefix(bus: TestBus, command: Command) -> None:
    record = await a_running_run(bus)
    run_id = record.status.run_id
    for text in (run_id, "train", "nlp/train", run_id[:5], f"nlp/{run_id}"):
        assert (await command("get", text, "-o", "name")).out == f"nlp/{run_id}\n"


async def test_a_run_that_is_not_there_and_one_that_is_not_clear_are_exit_4(
    bus: TestBus, command: Command
) -> None:
    await a_running_run(bus)
    await a_running_run(bus, project="vision")
    missing = await command("get", "nothing")
    assert (missing.code, missing.out) == (4, "")
    assert "no run fits 'nothing'" in missing.err
    unclear = await command("wait", "train")
    assert unclear.code == 4
    assert f"nlp/{run_id_from_key('nlp', 'train')}  train  running" in unclear.err


async def test_getting_a_run_shows_state_limits_and_evidence(
    bus: TestBus, command: Command
) -> None:
    record = await a_running_run(bus)
    await store_evidence(bus, record, "epoch 1\nepoch 2\n")
    page = (await command("get", "train")).out
    assert "State:        running" in page
    assert "  running   1d" in page
    assert "    epoch 2" in page
    data = (await command("get", "train", "-o", "json")).json
    assert data["evidence"][0]["pods"][0]["containers"][0]["log_tail"] == "epoch 1\nepoch 2\n"


async def test_watching_a_run_prints_each_event_and_ends_with_its_fate(
    bus: TestBus, command: Command
) -> None:
    record = await a_running_run(bus)
    async with command.started("watch", "train") as process:
        assert process.stdout is not None
        shown = [(await process.stdout.readline()).split()[1] for _ in range(3)]
        assert shown == [b"accepted", b"admitted", b"running"]
        await complete(bus, record)
        assert (await process.stdout.readline()).split()[1] == b"completed"
        assert await process.wait() == 0


async def test_watched_events_as_json_lines_are_cloud_events(
    bus: TestBus, command: Command
) -> None:
    record = await complete(bus, await a_running_run(bus))
    events = (await command("watch", "train", "-o", "jsonl")).json_lines
    assert [each["type"] for each in events] == [
        f"dev.runbus.run.{name}.v1" for name in ("accepted", "admitted", "running", "completed")
    ]
    assert events[-1]["sequence"] == str(record.sequence)
    assert events[-1]["data"]["status"]["state"] == "completed"
    assert "document" in events[0]["data"]


@pytest.mark.parametrize("every", [(), ("--all",)], ids=["no run", "--all"])
async def test_watching_all_shows_the_events_from_now_on(
    bus: TestBus, command: Command, every: tuple[str, ...]
) -> None:
    await a_running_run(bus)
    async with command.started("watch", *every, "-o", "name") as process, asyncio.timeout(20):
        assert process.stdout is not None
        line = b""
        for number in range(100):  # until it listens, what is stored is not "from now on"
            await a_running_run(bus, project="vision", name=f"run-{number}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    line = await process.stdout.readline()
                    break
        assert line.startswith(b"vision/")


async def test_a_watch_goes_on_when_the_bus_was_restarted(bus: TestBus, command: Command) -> None:
    record = await a_running_run(bus)
    async with command.started("watch", "train", "-o", "name") as process, asyncio.timeout(60):
        assert process.stdout is not None
        for _ in range(3):
            await process.stdout.readline()
        bus.nats.kill()
        await bus.nats.wait()
        await bus.nats.start()
        await bus.nats.wait_ready(30)
        while not bus.bus.is_connected:
            await asyncio.sleep(0.05)
        await complete(bus, record)
        out, err = await process.communicate()
    assert out.endswith(b" completed\n")
    assert err.decode().splitlines() == [
        "note: the bus is gone; waiting for it to come back",
        "note: the bus is back",
    ]


async def test_waiting_ends_on_any_final_state_with_its_exit_code(
    bus: TestBus, command: Command
) -> None:
    await complete(bus, await a_running_run(bus))
    failed = await a_running_run(bus, name="eval")
    await bus.store(
        EventType.ATTEMPT_FAILED,
        WATCHER,
        failed,
        state=RunState.ERROR,
        exit_code=3,
        reason="Error",
        status_text="exit code 3",
    )
    done = await command("wait", "train")
    assert (done.code, done.out) == (0, f"nlp/{run_id_from_key('nlp', 'train')} train completed\n")
    both = await command("wait", "train", "eval")
    assert both.code == 1
    assert "eval error: exit code 3" in both.out


async def test_waiting_ends_when_the_run_does(bus: TestBus, command: Command) -> None:
    record = await a_running_run(bus)
    async with command.started("wait", "train") as process:
        await asyncio.sleep(0)
        await complete(bus, record)
        assert await process.wait() == 0


async def test_a_timeout_is_exit_124_and_ctrl_c_is_130_and_the_run_goes_on(
    bus: TestBus, command: Command
) -> None:
    await a_running_run(bus)
    late = await command("wait", "train", "--timeout", "1s")
    assert late.code == 124
    assert "--timeout ran out" in late.err
    async with command.started("watch", "train") as process:
        assert process.stdout is not None
        await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
        assert process.returncode == 130
    assert err.decode() == "detached, the run goes on: runbus watch train\n"


async def test_the_log_of_a_run_whose_pod_is_gone_comes_from_the_evidence(
    bus: TestBus, command: Command
) -> None:
    record = await complete(bus, await a_running_run(bus))
    await store_evidence(bus, record, "one\ntwo\nthree\n")
    whole = await command("logs", "train", "--kubeconfig", "/nowhere")
    assert (whole.code, whole.out) == (0, "one\ntwo\nthree\n")
    assert (
        await command("logs", "train", "--tail", "1", "--kubeconfig", "/nowhere")
    ).out == "three\n"
    followed = await command("logs", "-f", "train", "--kubeconfig", "/nowhere")
    assert (followed.code, followed.out) == (0, "one\ntwo\nthree\n")
    assert (await command("logs", "train", "--attempt", "2")).code == 4


async def store_evidence(bus: TestBus, record: RunRecord, log: str) -> None:
    """Store what an aborter keeps of an attempt."""
    status = record.status
    evidence = RunEvidence(
        run_id=status.run_id,
        project=status.project,
        attempt=1,
        cause="ended",
        collected_at=T0,
        pods=(PodEvidence(name="p", containers=(ContainerEvidence(name="main", log_tail=log),)),),
    )
    subject = subjects.evidence(status.project, status.run_id)
    await bus.bus.publish(subject, codec.encode(evidence))
