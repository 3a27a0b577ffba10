"""Following a stream: in order, nothing lost, across restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from runbus.contracts import subjects
from runbus.contracts.states import EventType
from runbus.contracts.streams import EVENTS
from runbus.runtime.livefeed import LIVE_STREAM, LiveFeed
from runbus.runtime.runlog import RunRecord
from runbus.sdk.bus import Bus, StoredMessage
from runbus.sdk.deliveries import until_caught_up
from runbus.sdk.errors import BusError
from runbus.sdk.follow import IN_FLIGHT_MAX, Follower, follow
from support.buses import TestBus
from support.runs import PROJECT, RUN_ID, a_status

FILTERS = [subjects.events_of_project()]


async def take(follower: Follower, count: int) -> list[int]:
    """Return the sequences of the next so many messages."""
    found: list[int] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found.extend(message.sequence for message in await follower.next_batch())
    return found


def run_id(number: int) -> str:
    return f"run{number:09d}"


async def accept_many(on: TestBus, first: int, count: int) -> None:
    for number in range(first, first + count):
        await on.accept(a_status(run_id=run_id(number)))


async def test_everything_stored_before_and_after_arrives_in_order(on: TestBus) -> None:
    await accept_many(on, 0, 20)
    async with follow(on.bus, EVENTS, FILTERS) as follower:
        before = await take(follower, 20)
        await accept_many(on, 20, 20)
        after = await take(follower, 20)

    assert before + after == list(range(1, 41))


async def test_a_follower_begins_at_the_sequence_asked_for(on: TestBus) -> None:
    await accept_many(on, 0, 10)
    async with follow(on.bus, EVENTS, FILTERS, next_sequence=8) as follower:
        assert await take(follower, 3) == [8, 9, 10]


async def test_an_empty_stream_is_caught_up_at_once(on: TestBus) -> None:
    async with follow(on.bus, EVENTS, FILTERS) as follower:
        assert await follower.next_batch(timeout_s=1.0) == []
        assert follower.caught_up


class BusOfServers(Bus):
    """As of several servers: A leads every stream, and each consumer lies where its copy is.

    `copies` are those of the consumers to come, the last one for all others: the server, and
    what is different about a consumer on it.
    """

    copies: list[tuple[str, Mapping[str, object]]]
    inbox = ""  # of the newest consumer

    async def api(self, verb: str, body: Any = None) -> dict[str, Any]:
        server = "A"
        if verb.startswith("CONSUMER.CREATE."):
            server, other = self.copies.pop(0) if len(self.copies) > 1 else self.copies[0]
            body = {**body, "config": {**body["config"], **other}}
            self.inbox = body["config"]["deliver_subject"]
        return {**await super().api(verb, body), "cluster": {"leader": server}}


async def a_bus_of_servers(
    on: TestBus, *copies: tuple[str, Mapping[str, object]], of: type[BusOfServers] = BusOfServers
) -> BusOfServers:
    bus = of(on.bus.native())
    await bus.open()
    bus.copies = list(copies)
    return bus


async def test_a_stream_is_not_read_before_the_copy_has_all_that_its_leader_had(
    on: TestBus,
) -> None:
    """The leader's server is lost before anything has come, and the other's copy is empty yet."""
    await accept_many(on, 0, 20)
    lost, behind = {"deliver_subject": "nobody"}, {"opt_start_seq": 1000}
    bus = await a_bus_of_servers(on, ("A", lost), ("B", behind), ("B", {}))

    async with follow(bus, EVENTS, FILTERS) as follower:
        found = [each.sequence async for each in until_caught_up(follower)]

    assert found == list(range(1, 21))


async def test_a_copy_has_not_been_read_where_something_of_it_was_lost_on_its_way(
    on: TestBus,
) -> None:
    await accept_many(on, 0, 1)
    bus = await a_bus_of_servers(on, ("B", {"opt_start_seq": 1000}))
    told = {"Status": "100", "Nats-Last-Stream": "1", "Nats-Last-Consumer": "1"}
    async with follow(bus, EVENTS, FILTERS) as follower:
        while follower.restarts < 0:
            await bus.ping()
        await bus.send(bus.inbox, b"", told)
        await bus.ping()
        assert not follower.caught_up


class BusThatLags(BusOfServers):
    """At first its leader tells of more than the copy that is read will ever have."""

    old_ends = 2  # one before heartbeats are asked for

    async def api(self, verb: str, body: Any = None) -> dict[str, Any]:
        answer = await super().api(verb, body)
        if verb.startswith("STREAM.INFO.") and self.old_ends > 0:
            self.old_ends -= 1
            answer["state"]["last_seq"] += 1
        return answer


async def test_a_copy_that_does_not_come_on_is_left_for_another(on: TestBus) -> None:
    await accept_many(on, 0, 2)
    bus = await a_bus_of_servers(on, ("B", {}), of=BusThatLags)

    async with follow(bus, EVENTS, FILTERS) as follower:
        found = [each.sequence async for each in until_caught_up(follower)]
        assert follower.restarts == 1

    assert found == [1, 2]


class BusAhead(BusOfServers):
    """Says that everything has been sent, which has not arrived yet."""

    async def api(self, verb: str, body: Any = None) -> dict[str, Any]:
        answer = await super().api(verb, body)
        if verb.startswith("CONSUMER.INFO."):
            return {**answer, "num_pending": 0, "delivered": {"consumer_seq": 1}}
        return answer


async def test_what_was_sent_and_has_not_arrived_is_left_to_be_read(on: TestBus) -> None:
    await accept_many(on, 0, 1)
    bus = await a_bus_of_servers(on, ("A", {"deliver_subject": "nobody"}), of=BusAhead)
    async with follow(bus, EVENTS, FILTERS) as follower:
        assert await follower.next_batch(timeout_s=0.1) == []
        await follower.ask_pending()
        assert not follower.caught_up


async def test_nothing_is_lost_when_the_server_is_killed_and_started_again(on: TestBus) -> None:
    await accept_many(on, 0, 10)
    async with follow(on.bus, EVENTS, FILTERS) as follower:
        before = await take(follower, 10)
        on.nats.kill()
        await on.nats.wait()
        await on.nats.start()
        await on.nats.wait_ready(20)
        for number in range(10, 20):
            while True:
                try:
                    await on.accept(a_status(run_id=run_id(number)))
                except BusError:
                    continue
                else:
                    break
        after = await take(follower, 10)

    assert before + after == list(range(1, 21))


async def test_nothing_is_lost_when_the_consumer_vanishes(on: TestBus) -> None:
    await accept_many(on, 0, 3)
    async with follow(on.bus, EVENTS, FILTERS) as follower:
        before = await take(follower, 3)
        consumers = await on.bus.api(f"CONSUMER.NAMES.{EVENTS}")
        for name in consumers["consumers"]:
            if name != "pod-launcher":
                await on.bus.api(f"CONSUMER.DELETE.{EVENTS}.{name}")
        await accept_many(on, 3, 3)
        after = await take(follower, 3)

    assert before + after == [1, 2, 3, 4, 5, 6]


async def test_no_more_arrives_than_is_taken_in(on: TestBus) -> None:
    subject = subjects.event("nlp", run_id(0), "00", EventType.RUNNING)
    count = IN_FLIGHT_MAX + 600
    for number in range(1, count + 1):
        put = on.bus.publish if number % 500 == 0 or number == count else on.bus.send
        await put(subject, b"{}")
    async with follow(on.bus, EVENTS, FILTERS) as follower:
        held: dict[str, int] = {}
        async with asyncio.timeout(20):
            while held.get("num_ack_pending") != IN_FLIGHT_MAX:
                names = await on.bus.api(f"CONSUMER.NAMES.{EVENTS}")
                for name in set(names["consumers"] or ()) - {"pod-launcher"}:
                    held = await on.bus.api(f"CONSUMER.INFO.{EVENTS}.{name}")
        taken = await take(follower, count)

    assert held["num_pending"] == 600
    assert taken == list(range(1, count + 1))


async def test_an_error_in_the_block_comes_out_as_it_is(on: TestBus) -> None:
    caught: list[Exception] = []
    try:
        async with follow(on.bus, EVENTS, FILTERS):
            raise ZeroDivisionError
    except ZeroDivisionError as error:
        caught.append(error)

    assert len(caught) == 1


async def test_a_feed_loses_nothing_that_is_stored_while_it_loads(on: TestBus) -> None:
    await accept_many(on, 0, 50)
    seen: dict[str, RunRecord] = {}

    def on_record(record: RunRecord) -> None:
        seen[record.status.run_id] = record

    async with asyncio.TaskGroup() as tasks:
        feed = LiveFeed(on.bus, None, on.log)
        feeding = tasks.create_task(feed.run(on_record))
        await accept_many(on, 50, 50)
        async with asyncio.timeout(20):
            while len(seen) < 100:
                await on.bus.ping()
        feeding.cancel()

    assert {record.sequence for record in seen.values()} == set(range(1, 101))


class BusWithoutBucket(BusOfServers):
    """Its bucket of live runs has not been filled yet."""

    async def last_message(self, stream: str, subject: str) -> StoredMessage | None:
        return None if stream == LIVE_STREAM else await super().last_message(stream, subject)


async def test_a_feed_is_up_to_date_once_it_has_told_what_the_bucket_lacked(on: TestBus) -> None:
    await accept_many(on, 0, 20)
    empty = {"opt_start_seq": 1000}
    bus = await a_bus_of_servers(on, ("A", empty), ("A", {}), of=BusWithoutBucket)
    seen: list[RunRecord] = []
    feed = LiveFeed(bus, None, on.log)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        feeding = tasks.create_task(feed.run(seen.append))
        await feed.loaded.wait()
        when_loaded = len(seen)
        await feed.up_to_date.wait()
        feeding.cancel()

    assert (when_loaded, len(seen)) == (0, 20)


async def test_a_feed_begins_with_the_newest_event_of_each_run(on: TestBus) -> None:
    admitted = await on.admit(await on.accept())
    seen: list[RunRecord] = []
    async with asyncio.TaskGroup() as tasks:
        feed = LiveFeed(on.bus, None, on.log)
        feeding = tasks.create_task(feed.run(seen.append))
        async with asyncio.timeout(10):
            while not seen or seen[-1].sequence < admitted.sequence:
                await on.bus.ping()
        feeding.cancel()

    assert seen[-1].event_type == "admitted"


async def test_of_what_cannot_be_read_a_feed_tells_only_what_can_be_a_run(on: TestBus) -> None:
    told: list[tuple[str, str, int]] = []
    await on.bus.publish(f"runbus.v1.run.{PROJECT}.NoRun.00.accepted", b"{")
    await on.bus.publish(f"runbus.v1.run.{PROJECT}.{RUN_ID}.00.accepted", b"{")
    async with asyncio.TaskGroup() as tasks:
        feed = LiveFeed(on.bus, None, on.log, on_unreadable=lambda *run: told.append(run))
        feeding = tasks.create_task(feed.run(lambda _record: None))
        async with asyncio.timeout(10):
            while not told:
                await on.bus.ping()
        feeding.cancel()

    assert told == [(PROJECT, RUN_ID, 2)]
