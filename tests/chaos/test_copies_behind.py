"""A bus of three servers: the copy that is read may be behind what is known already.

A stream's leader applies what is stored like every other server, for itself: a consumer on another
one may deliver an event before the leader's own reads show it. And a server that comes back
delivers from a copy that lacks whatever came meanwhile, until it has caught up.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import structlog
from nats.aio.msg import Msg

from runbus.cli.stack.nats import NatsProcess
from runbus.contracts import codec, subjects
from runbus.contracts.events import RunAccepted, RunAdmitted
from runbus.contracts.identity import run_id_from_key, shard_of
from runbus.contracts.states import EventType, RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.streams import EVENTS, LAUNCH_CONSUMER
from runbus.contracts.transitions import Publisher
from runbus.runtime.clock import SystemClock
from runbus.runtime.livefeed import LIVE_STREAM, LiveFeed
from runbus.runtime.pull import Puller
from runbus.runtime.runlog import RunLog, RunRecord, StaleError
from runbus.sdk.bus import Bus
from runbus.sdk.follow import ack_numbers
from support.buses import DOCUMENT
from support.runs import PROJECT, a_status
from support.system import System, running_system

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

SERVERS = 3
RUNS = 5_000
AT_ONCE = 16
RACES = 20
RACERS = 3
PATIENCE_S = 60.0
_STRUCTS = {EventType.ACCEPTED: RunAccepted, EventType.ADMITTED: RunAdmitted}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    folder = tmp_path_factory.mktemp("copies")
    async with running_system(folder, services=(), bus_servers=SERVERS) as system:
        yield system


async def leader(bus: Bus, what: str) -> str:
    """Return the name of the server that leads a stream or a consumer."""
    info = await bus.api(what)
    return str(info["cluster"].get("leader"))


async def store(bus: Bus, numbers: range, *types: EventType) -> None:
    """Store the first events of some runs, each after the other."""
    for number in numbers:
        run_id = run_id_from_key(PROJECT, f"run-{number}")
        for event_type in types:
            status = a_status(RunState(event_type.value), run_id=run_id, shard=shard_of(run_id))
            await store_event(bus, event_type, status)


async def store_event(bus: Bus, event_type: EventType, status: RunStatus) -> None:
    subject = subjects.event(status.project, status.run_id, status.shard, event_type)
    event = _STRUCTS[event_type](status=status, document=DOCUMENT)
    await bus.publish(subject, codec.encode(event), timeout_s=PATIENCE_S)


async def store_many(bus: Bus, first: int, *types: EventType) -> set[str]:
    """Store the events of many runs, some at a time; return the ids."""
    numbers = range(first, first + RUNS)
    async with asyncio.TaskGroup() as tasks:
        for part in range(AT_ONCE):
            tasks.create_task(store(bus, numbers[part::AT_ONCE], *types))
    return {run_id_from_key(PROJECT, f"run-{each}") for each in numbers}


async def a_follower_of_both(system: System) -> NatsProcess:
    """Return a server that leads neither the events nor the bucket of live runs."""
    bus = system.client.bus
    leads = {await leader(bus, f"STREAM.INFO.{each}") for each in (EVENTS, LIVE_STREAM)}
    names = {f"runbus-{number}": each for number, each in enumerate(system.stack.bus, start=1)}
    return next(each for name, each in names.items() if name not in leads)


@pytest.mark.parametrize("first", [RUNS, 2 * RUNS])
async def test_who_starts_while_a_server_catches_up_learns_of_every_run(
    system: System, first: int
) -> None:
    bus = system.client.bus
    dead = await a_follower_of_both(system)
    dead.kill()
    await dead.wait()
    stored = await store_many(bus, first, EventType.ACCEPTED)
    await dead.start()

    loop = asyncio.get_running_loop()
    until = loop.time() + 3.0
    while loop.time() < until:
        assert stored - await learned(bus) == set()


async def learned(bus: Bus) -> set[str]:
    """Return the ids of the runs that a feed shows which starts now."""
    found: set[str] = set()
    feed = LiveFeed(bus, None, structlog.get_logger())
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(feed.run(lambda record: found.add(record.status.run_id)))
        await feed.loaded.wait()
        running.cancel()
    return found


async def test_who_comes_second_is_told_what_was_stored_and_is_not_refused(
    system: System,
) -> None:
    """The leader names no sequence while another event of the run is on its way (error 10164)."""
    run_log = RunLog(system.client.bus, Publisher.SPEC_VALIDATOR, SystemClock())
    for number in range(RACES):
        run_id = run_id_from_key(PROJECT, f"race-{number}")
        status = a_status(RunState.ACCEPTED, run_id=run_id, shard=shard_of(run_id))
        async with asyncio.TaskGroup() as tasks:
            racing = [
                tasks.create_task(accept_or_be_told(run_log, status, f"-{racer}"))
                for racer in range(RACERS)
            ]
        told = {each.result() for each in racing}
        assert len(told) == 1
        assert None not in told


async def accept_or_be_told(run_log: RunLog, status: RunStatus, salt: str) -> str | None:
    """Store a run's first event; return the id of the one that is stored."""
    event = RunAccepted(status=status, document=DOCUMENT)
    try:
        newest: RunRecord | None
        newest = await run_log.publish(EventType.ACCEPTED, event, None, salt=salt)
    except StaleError as error:
        newest = error.newest
    return newest.event_id if newest is not None else None


async def slow_down(system: System, server: str) -> None:
    """Let a server have what CPU the others leave, for good: it will be behind now and then."""
    process = system.stack.bus[int(server.rpartition("-")[2]) - 1]
    threads = await asyncio.to_thread(os.listdir, f"/proc/{process.pid}/task")
    for thread in threads:
        os.setpriority(os.PRIO_PROCESS, int(thread), 19)


async def test_a_delivered_event_is_never_older_than_what_is_read_of_its_run(
    system: System,
) -> None:
    bus = system.client.bus
    await slow_down(system, await leader(bus, f"STREAM.INFO.{EVENTS}"))
    consumer = f"CONSUMER.INFO.{EVENTS}.{LAUNCH_CONSUMER}"
    async with asyncio.timeout(PATIENCE_S):
        while await leader(bus, consumer) == await leader(bus, f"STREAM.INFO.{EVENTS}"):
            await bus.api(f"CONSUMER.LEADER.STEPDOWN.{EVENTS}.{LAUNCH_CONSUMER}")
            await asyncio.sleep(0.5)
    run_log = RunLog(bus, Publisher.POD_LAUNCHER, SystemClock())
    behind: list[str] = []
    handled, stopping = 0, asyncio.Event()

    async def handle(msg: Msg) -> None:
        nonlocal handled
        sequence, *_ = ack_numbers(msg.reply)
        run_id = msg.subject.split(".")[4]
        newest = await run_log.newest(PROJECT, run_id, since=sequence)
        if newest is None or newest.sequence != sequence:
            behind.append(run_id)
        await bus.send(msg.reply, b"+ACK")
        handled += 1
        if handled == RUNS:
            stopping.set()

    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        puller = Puller(bus, EVENTS, LAUNCH_CONSUMER, in_hand_max=256)
        tasks.create_task(puller.run(handle, stopping))
        tasks.create_task(store_many(bus, 0, EventType.ACCEPTED, EventType.ADMITTED))

    assert behind == []
