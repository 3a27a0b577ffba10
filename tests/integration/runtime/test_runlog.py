"""Events with compare-and-set on a real server: the rules of the expected sequence."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping

import pytest

from runbus.contracts import codec, subjects
from runbus.contracts.events import RunAdmitted, RunQueued
from runbus.contracts.states import EventType, RunState
from runbus.contracts.streams import LIVE_BUCKET, RUNS_BUCKET
from runbus.contracts.transitions import IllegalTransitionError, Publisher
from runbus.runtime.clock import SystemClock
from runbus.runtime.errors import PoisonError, RetryableError
from runbus.runtime.runlog import (
    BEHIND_BUDGET_S,
    RunLog,
    StaleError,
    record_of,
    source_sequence,
)
from runbus.sdk.bus import Bus, StoredMessage
from runbus.sdk.errors import BusTimeoutError, WrongSequenceError
from support.buses import DOCUMENT, TestBus, a_bus_behind
from support.clocks import ManualClock
from support.runs import PROJECT, RUN_ID, a_status, at, replace

SHARD = a_status().shard


async def in_bucket(on: TestBus, bucket: str, key: str) -> StoredMessage:
    """Return a key of a bucket, as soon as the server has filled it in."""
    async with asyncio.timeout(5):
        while True:
            found = await on.bus.last_message(f"KV_{bucket}", f"$KV.{bucket}.{key}")
            if found is not None:
                return found


async def test_a_run_begins_with_an_expected_sequence_of_0(on: TestBus) -> None:
    stored = await on.accept()

    newest = await on.run_log(Publisher.SCHEDULER).newest(PROJECT, RUN_ID)
    assert newest is not None
    assert newest.sequence == stored.sequence
    assert newest.event_id == f"{RUN_ID}-0-accepted-0"
    assert newest.status == stored.status


async def test_an_unknown_run_has_no_newest_event(on: TestBus) -> None:
    assert await on.run_log(Publisher.SCHEDULER).newest(PROJECT, RUN_ID) is None


async def test_the_same_transition_stored_twice_is_one_event(on: TestBus) -> None:
    first = await on.accept()
    second = await on.accept()

    assert (second.sequence, second.found_stored) == (first.sequence, True)
    assert not first.found_stored


async def test_a_publisher_that_judged_an_older_event_is_told_where_the_run_stands(
    on: TestBus,
) -> None:
    accepted = await on.accept()
    admitted = await on.admit(accepted)

    with pytest.raises(StaleError) as caught:
        await on.store(EventType.QUEUED, Publisher.SCHEDULER, accepted, state=RunState.QUEUED)

    assert caught.value.newest.sequence == admitted.sequence


async def test_no_older_view_is_taken_than_the_event_that_is_known_of(on: TestBus) -> None:
    accepted = await on.accept()
    bus = await a_bus_behind(on)
    admitted = await on.admit(accepted)

    newest = await RunLog(bus, Publisher.ABORTER, SystemClock()).newest(
        PROJECT, RUN_ID, since=admitted.sequence
    )

    assert newest is not None
    assert newest.sequence == admitted.sequence
    assert bus.old_answers == 3


async def test_a_leader_that_stays_behind_is_asked_again_later(on: TestBus) -> None:
    accepted = await on.accept()
    clock = ManualClock()
    bus = await a_bus_behind(on)
    run_log = RunLog(bus, Publisher.ABORTER, clock)

    async def ask() -> None:
        with pytest.raises(RetryableError, match=f"has event {accepted.sequence} of {RUN_ID}"):
            await run_log.newest(PROJECT, RUN_ID, since=accepted.sequence + 1)

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(ask())
        while bus.old_answers < 2:
            await asyncio.sleep(0.01)
        clock.advance(BEHIND_BUDGET_S)


async def test_a_refusal_by_an_older_view_is_no_news_of_the_run(on: TestBus) -> None:
    """The leader refuses what was judged by an event that it has not applied yet."""
    accepted = await on.accept()
    bus = RefusingBus(on.bus.native())
    await bus.open()
    status = replace(accepted.status, state=RunState.ADMITTED, attempt=1)

    stored = await RunLog(bus, Publisher.SCHEDULER, SystemClock()).publish(
        EventType.ADMITTED, RunAdmitted(status=status, document=DOCUMENT), accepted
    )

    assert bus.refusals_left == 0
    assert stored.sequence == accepted.sequence + 1
    assert not stored.found_stored


class RefusingBus(Bus):
    """Its first publishes are refused for a wrong last sequence, although it is right."""

    refusals_left = 2

    async def publish(
        self,
        subject: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = 5.0,
    ) -> int:
        if self.refusals_left > 0:
            self.refusals_left -= 1
            raise WrongSequenceError("wrong last sequence")
        return await super().publish(subject, body, headers, timeout_s=timeout_s)


async def test_an_illegal_transition_is_never_sent(on: TestBus) -> None:
    accepted = await on.accept()

    with pytest.raises(IllegalTransitionError):
        await on.store(
            EventType.COMPLETED, Publisher.STATE_WATCHER, accepted, state=RunState.COMPLETED
        )

    newest = await on.run_log(Publisher.SCHEDULER).newest(PROJECT, RUN_ID)
    assert newest is not None
    assert newest.event_type == "accepted"


async def test_a_publish_that_times_out_is_settled_before_anything_else(on: TestBus) -> None:
    accepted = await on.accept()
    os.kill(on.nats.pid, signal.SIGSTOP)
    try:
        async with asyncio.TaskGroup() as tasks:
            admitting = tasks.create_task(on.admit(accepted))
            loop = asyncio.get_running_loop()
            # Longer than a publish's own timeout: the server gets it twice.
            loop.call_later(3.5, os.kill, on.nats.pid, signal.SIGCONT)
    finally:
        os.kill(on.nats.pid, signal.SIGCONT)

    newest = await on.run_log(Publisher.SCHEDULER).newest(PROJECT, RUN_ID)
    assert newest is not None
    assert newest.sequence == admitting.result().sequence
    assert newest.event_type == "admitted"


async def test_what_was_asked_on_a_lost_connection_is_not_waited_for(on: TestBus) -> None:
    async def publish() -> None:
        with pytest.raises(BusTimeoutError, match="connection was lost"):
            await on.bus.publish("x", b"", timeout_s=300)

    os.kill(on.nats.pid, signal.SIGSTOP)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(publish())
        await asyncio.sleep(0)
        on.nats.kill()
    await on.nats.wait()
    await on.nats.start()
    await on.nats.wait_ready(20)


@pytest.mark.parametrize(
    ("bucket", "key"),
    [(RUNS_BUCKET, f"{PROJECT}.{RUN_ID}"), (LIVE_BUCKET, f"{SHARD}.{PROJECT}.{RUN_ID}")],
)
async def test_the_server_keeps_the_newest_event_of_each_run_in_the_buckets(
    on: TestBus, bucket: str, key: str
) -> None:
    other = a_status(run_id="zzzzzzzzzz22")
    await on.accept(other)
    admitted = await on.admit(await on.accept())

    async with asyncio.timeout(5):
        while True:
            found = record_of(await in_bucket(on, bucket, key))
            if found.event_type == "admitted":
                break

    message = await in_bucket(on, bucket, key)
    assert source_sequence(message) == admitted.sequence
    assert found.status == admitted.status


@pytest.mark.parametrize("bucket", [RUNS_BUCKET, LIVE_BUCKET])
async def test_nobody_can_write_into_a_bucket_that_the_server_fills(
    on: TestBus, bucket: str
) -> None:
    from runbus.sdk.errors import BusUnreachableError

    with pytest.raises(BusUnreachableError):
        await on.bus.publish(f"$KV.{bucket}.nlp.forged", b"{}")


async def test_each_event_carries_the_trace_of_the_one_before(on: TestBus) -> None:
    accepted = await on.accept()
    admitted = await on.admit(accepted)

    assert accepted.traceparent is not None
    assert admitted.traceparent is not None
    assert accepted.traceparent.split("-")[1] == admitted.traceparent.split("-")[1]
    assert accepted.traceparent != admitted.traceparent


async def test_a_status_survives_the_way_over_the_bus(on: TestBus) -> None:
    status = replace(a_status(), message="ü – “quotes” and \n lines", priority_class="high")
    await on.accept(status)

    newest = await on.run_log(Publisher.SCHEDULER).newest(PROJECT, RUN_ID)
    assert newest is not None
    assert newest.status == status


async def test_an_event_too_large_for_the_bus_is_poison_and_leaves_the_connection_alone(
    on: TestBus,
) -> None:
    accepted = await on.accept()

    for size in (2_000_000, 1_048_000):  # the second fits, its headers do not
        with pytest.raises(PoisonError, match="too large"):
            await on.store(
                EventType.QUEUED,
                Publisher.SCHEDULER,
                accepted,
                state=RunState.QUEUED,
                message="x" * size,
            )

    assert (await on.admit(accepted)).sequence == accepted.sequence + 1


async def test_a_transition_found_stored_is_returned_as_it_was_stored(on: TestBus) -> None:
    accepted = await on.accept()
    states = {"state": RunState.QUEUED, "reason": "QuotaExceeded"}
    first = await on.store(EventType.QUEUED, Publisher.SCHEDULER, accepted, since=at(5), **states)

    second = await on.store(EventType.QUEUED, Publisher.SCHEDULER, accepted, since=at(9), **states)

    assert second.found_stored
    assert second.status == first.status


async def test_an_event_whose_time_cannot_be_read_is_read_all_the_same(on: TestBus) -> None:
    accepted = await on.accept()
    subject = subjects.event(PROJECT, RUN_ID, SHARD, EventType.QUEUED)
    event = RunQueued(status=replace(accepted.status, state=RunState.QUEUED))
    headers = {"ce-type": "dev.runbus.run.queued.v1", "ce-time": "yesterday"}
    await on.bus.publish(subject, codec.encode(event), headers)

    newest = await on.run_log(Publisher.SCHEDULER).newest(PROJECT, RUN_ID)

    assert newest is not None
    assert newest.status.state is RunState.QUEUED
