"""Which runs an event ends that nobody can handle, on a real bus."""

from __future__ import annotations

import asyncio

from runbus.contracts import codec, subjects
from runbus.contracts.replies import DeadLetter
from runbus.contracts.states import EventType, RunState
from runbus.contracts.streams import DEADLETTERS, EVENTS
from runbus.contracts.transitions import Publisher
from runbus.runtime.clock import SystemClock
from runbus.runtime.deadletters import DeadLetters
from runbus.runtime.livefeed import LiveFeed
from runbus.runtime.runlog import RunLog, RunRecord
from runbus.runtime.workqueue import WorkQueue
from runbus.scheduler.handler import ROUND, Handler
from runbus.scheduler.model import Limits
from runbus.sdk.bus import StoredMessage
from support.buses import TestBus, a_bus_behind
from support.runs import PROJECT, RUN_ID

SCHEDULER = Publisher.SCHEDULER


def letters(on: TestBus) -> DeadLetters:
    return DeadLetters(on.bus, on.run_log(SCHEDULER), SCHEDULER, SystemClock())


async def event_of(on: TestBus, record: RunRecord, event_type: EventType) -> StoredMessage:
    status = record.status
    subject = subjects.event(status.project, status.run_id, status.shard, event_type)
    message = await on.bus.last_message(EVENTS, subject)
    assert message is not None
    return message


async def garbage(on: TestBus, record: RunRecord, event_type: EventType) -> StoredMessage:
    """Store an event of a run that nobody can read."""
    status = record.status
    subject = subjects.event(status.project, status.run_id, status.shard, event_type)
    await on.bus.publish(subject, b"{")
    return await event_of(on, record, event_type)


async def newest(on: TestBus) -> tuple[RunState, str, int]:
    record = await on.run_log(SCHEDULER).newest(PROJECT, RUN_ID)
    assert record is not None
    return record.status.state, record.status.reason, record.status.attempt


async def test_an_old_attempts_event_does_not_end_the_one_that_waits_now(on: TestBus) -> None:
    admitted = await on.admit(await on.accept())
    poisoned = await event_of(on, admitted, EventType.ADMITTED)
    retrying = await on.store(
        EventType.LAUNCH_FAILED, Publisher.POD_LAUNCHER, admitted, state=RunState.RETRYING
    )
    queued = await on.store(EventType.QUEUED, SCHEDULER, retrying, state=RunState.QUEUED)

    await letters(on).set_aside_event(poisoned, "cannot be rendered")
    assert await newest(on) == (RunState.QUEUED, "", 1)

    await on.admit(queued)
    await letters(on).set_aside_event(poisoned, "cannot be rendered")
    assert await newest(on) == (RunState.ADMITTED, "", 2)


async def test_an_admitted_run_ends_also_where_its_deadline_was_changed_meanwhile(
    on: TestBus,
) -> None:
    admitted = await on.admit(await on.accept())
    poisoned = await event_of(on, admitted, EventType.ADMITTED)
    await on.store(EventType.DEADLINE_CHANGED, Publisher.STATE_WATCHER, admitted)

    await letters(on).set_aside_event(poisoned, "cannot be rendered")

    assert await newest(on) == (RunState.ERROR, "InternalError", 1)


async def test_an_event_that_was_followed_by_another_ends_nothing(on: TestBus) -> None:
    accepted = await on.accept()
    queued = await garbage(on, accepted, EventType.QUEUED)
    before = RunRecord(
        sequence=queued.sequence, event_type="queued", event_id="", status=accepted.status
    )
    await on.admit(before)

    await letters(on).set_aside_event(queued, "cannot be read")

    assert await newest(on) == (RunState.ADMITTED, "", 1)


async def test_a_newest_event_that_nobody_can_read_ends_the_run_by_what_was_told_before(
    on: TestBus,
) -> None:
    admitted = await garbage(on, await on.accept(), EventType.ADMITTED)

    assert await letters(on).set_aside_newest(PROJECT, RUN_ID)

    assert await newest(on) == (RunState.ERROR, "InternalError", 1)
    letter = await on.bus.last_message(DEADLETTERS, subjects.dead_letter(SCHEDULER.value))
    assert letter is not None
    found = codec.decode(DeadLetter, letter.data)
    assert (found.body, found.run_id, found.sequence) == (b"{", RUN_ID, admitted.sequence)


async def test_a_run_that_may_have_objects_is_not_ended_by_an_unreadable_event(
    on: TestBus,
) -> None:
    running = await garbage(on, await on.admit(await on.accept()), EventType.RUNNING)

    assert await letters(on).set_aside_newest(PROJECT, RUN_ID)

    last = await on.bus.last_message(EVENTS, subjects.events_of_run(PROJECT, RUN_ID))
    assert last is not None
    assert last.sequence == running.sequence


async def test_an_unreadable_event_is_set_aside_also_where_the_leader_shows_it_later(
    on: TestBus,
) -> None:
    accepted = await on.accept()
    bus = await a_bus_behind(on)
    queued = await garbage(on, accepted, EventType.QUEUED)
    clock, queue = SystemClock(), WorkQueue(SystemClock(), on.log)
    run_log = RunLog(bus, SCHEDULER, clock)
    dead_letters = DeadLetters(bus, run_log, SCHEDULER, clock)
    handler = Handler(run_log, dead_letters, queue, Limits(), clock, on.log)
    handler.on_unreadable(PROJECT, RUN_ID, queued.sequence)

    await handler.look(f"{PROJECT}/{RUN_ID}")

    assert bus.old_answers > 0
    assert await newest(on) == (RunState.ERROR, "InternalError", 0)


async def test_what_is_no_run_at_all_is_set_aside_and_nothing_more(on: TestBus) -> None:
    await on.bus.publish(f"runbus.v1.run.{PROJECT}.{RUN_ID}.00.accepted", b"{")

    assert await letters(on).set_aside_newest(PROJECT, RUN_ID)

    assert int((await on.bus.api(f"STREAM.INFO.{DEADLETTERS}"))["state"]["messages"]) == 1
    assert int((await on.bus.api(f"STREAM.INFO.{EVENTS}"))["state"]["messages"]) == 1


async def scheduled_until_over(on: TestBus) -> None:
    """Run the scheduler's loop until the run is over."""
    clock, stopping = SystemClock(), asyncio.Event()
    queue = WorkQueue(clock, on.log)
    handler = Handler(on.run_log(SCHEDULER), letters(on), queue, Limits(), clock, on.log)
    feed = LiveFeed(on.bus, None, on.log, on_unreadable=handler.on_unreadable)
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(20):
        feeding = tasks.create_task(feed.run(handler.on_record))
        await feed.loaded.wait()
        queue.add(ROUND)
        rounds = tasks.create_task(queue.run(handler.look, stopping, workers=1))
        while True:
            last = await on.bus.last_message(EVENTS, subjects.events_of_run(PROJECT, RUN_ID))
            if last is not None and last.subject.endswith(".attempt_failed"):
                break
        stopping.set()
        await rounds
        feeding.cancel()


async def test_the_scheduler_ends_a_run_whose_newest_event_it_cannot_read(on: TestBus) -> None:
    await garbage(on, await on.accept(), EventType.QUEUED)

    await scheduled_until_over(on)

    assert await newest(on) == (RunState.ERROR, "InternalError", 0)


async def test_the_scheduler_ends_a_run_whose_document_it_cannot_read(on: TestBus) -> None:
    accepted = await on.accept()
    event = await event_of(on, accepted, EventType.ACCEPTED)
    unreadable = b'{"status":%b,"document":7}' % codec.encode(accepted.status)
    await on.bus.publish(event.subject, unreadable)

    await scheduled_until_over(on)

    assert await newest(on) == (RunState.ERROR, "InternalError", 0)
    letter = await on.bus.last_message(DEADLETTERS, subjects.dead_letter(SCHEDULER.value))
    assert letter is not None
    assert "Expected `object`" in codec.decode(DeadLetter, letter.data).reason
