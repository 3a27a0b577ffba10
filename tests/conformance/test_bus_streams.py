"""Streams: what a nats-server and the simulated one must do alike for the services."""

from __future__ import annotations

import pytest

from conformance.bus_worlds import BusWorld, Run
from runbus.contracts import subjects
from runbus.contracts.streams import COMMANDS, EVENTS, LEASES_BUCKET, LIVE_BUCKET, RUNS_BUCKET
from runbus.sdk.bus import EXPECTED_SEQUENCE, EXPECTED_SUBJECT, MESSAGE_ID, Bus
from runbus.sdk.deliveries import until_caught_up
from runbus.sdk.errors import (
    BusRefusedError,
    BusUnreachableError,
    NotFoundError,
    WrongSequenceError,
)
from runbus.sdk.follow import follow
from runbus.sdk.provision import provision

RUN = "runbus.v1.run.nlp.aaaaaaaaaaaa.07"
OF_RUN = f"{RUN.rpartition('.')[0]}.*.*"
SOURCE = "Nats-Stream-Source"


async def store(bus: Bus, event_type: str, expected: int, run: str = RUN) -> int:
    """Store an event with compare-and-set on its run."""
    of_run = f"{run.rpartition('.')[0]}.*.*"
    headers = {EXPECTED_SEQUENCE: str(expected), EXPECTED_SUBJECT: of_run, "ce-id": event_type}
    return await bus.publish(f"{run}.{event_type}", event_type.encode(), headers)


async def bodies(bus: Bus, stream: str, *filters: str) -> list[bytes]:
    async with follow(bus, stream, filters) as follower:
        return [each.data async for each in until_caught_up(follower)]


async def entry(bus: Bus, bucket: str, key: str, *, after: int) -> tuple[bytes, list[str]]:
    """Return an entry of a sourced bucket once it stands for an event: its body, its source."""
    while True:
        found = await bus.last_message(f"KV_{bucket}", f"$KV.{bucket}.{key}")
        source = found.headers[SOURCE].split() if found is not None else []
        if found is not None and int(source[1]) >= after:
            return found.data, source


def test_sequences_count_up(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        assert await store(world.bus, "accepted", 0) == 1
        assert await store(world.bus, "admitted", 1) == 2

    on_bus(case)


def test_compare_and_set_is_over_all_events_of_a_run(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        await store(world.bus, "accepted", 0)
        await store(world.bus, "accepted", 0, "runbus.v1.run.nlp.bbbbbbbbbbbb.08")
        with pytest.raises(WrongSequenceError):
            await store(world.bus, "admitted", 0)
        with pytest.raises(WrongSequenceError):
            await store(world.bus, "admitted", 2)
        assert await store(world.bus, "admitted", 1) == 3

    on_bus(case)


def test_the_newest_message_is_read_by_a_wildcard(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        assert await world.bus.last_message(EVENTS, OF_RUN) is None
        await store(world.bus, "accepted", 0)
        await store(world.bus, "admitted", 1)
        await store(world.bus, "accepted", 0, "runbus.v1.run.nlp.bbbbbbbbbbbb.08")
        newest = await world.bus.last_message(EVENTS, OF_RUN)
        assert newest is not None
        assert (newest.subject, newest.sequence, newest.data) == (f"{RUN}.admitted", 2, b"admitted")
        assert newest.headers["ce-id"] == "admitted"
        assert newest.stored_at is not None

    on_bus(case)


def test_a_message_is_read_from_a_sequence_on(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        await store(world.bus, "accepted", 0)
        await store(world.bus, "accepted", 0, "runbus.v1.run.nlp.bbbbbbbbbbbb.08")
        await store(world.bus, "admitted", 1)
        found = await world.bus.next_message(EVENTS, OF_RUN, 2)
        assert found is not None
        assert found.sequence == 3
        assert await world.bus.next_message(EVENTS, OF_RUN, 4) is None

    on_bus(case)


def test_what_no_stream_takes_is_answered_at_once(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        with pytest.raises(BusUnreachableError):
            await world.bus.publish("runbus.v1.nowhere", b"x")

    on_bus(case)


def test_a_stream_that_is_not_there_is_not_found(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        with pytest.raises(NotFoundError):
            await world.bus.api("STREAM.INFO.NOWHERE")
        with pytest.raises(NotFoundError):
            await world.bus.last_message("NOWHERE", ">")
        with pytest.raises(NotFoundError):
            await world.bus.api(f"CONSUMER.INFO.{EVENTS}.nobody")

    on_bus(case)


def test_a_message_id_is_stored_once(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        for body in (b"first", b"second"):
            await world.bus.publish(subjects.submit("nlp"), body, {MESSAGE_ID: "one"})
        await world.bus.publish(subjects.submit("nlp"), b"third", {MESSAGE_ID: "other"})
        assert await bodies(world.bus, EVENTS) == []
        info = await world.bus.api(f"STREAM.INFO.{COMMANDS}")
        assert (info["state"]["messages"], info["state"]["last_seq"]) == (2, 2)

    on_bus(case)


def test_messages_survive_the_server(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        await store(world.bus, "accepted", 0)
        await world.kill()
        await world.start()
        assert await bodies(world.bus, EVENTS, OF_RUN) == [b"accepted"]
        with pytest.raises(WrongSequenceError):
            await store(world.bus, "accepted", 0)
        assert await store(world.bus, "admitted", 1) == 2

    on_bus(case)


def test_buckets_are_filled_from_the_events(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        await store(world.bus, "accepted", 0)
        await store(world.bus, "admitted", 1)
        for bucket, key in (
            (RUNS_BUCKET, "nlp.aaaaaaaaaaaa"),
            (LIVE_BUCKET, "07.nlp.aaaaaaaaaaaa"),
        ):
            body, source = await entry(world.bus, bucket, key, after=2)
            assert body == b"admitted"
            assert source[:2] == [EVENTS, "2"]
            info = await world.bus.api(f"STREAM.INFO.KV_{bucket}")
            assert info["state"]["messages"] == 1

    on_bus(case)


def test_nobody_else_writes_into_a_bucket_that_is_filled(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        with pytest.raises(BusUnreachableError):
            await world.bus.publish(f"$KV.{RUNS_BUCKET}.nlp.aaaaaaaaaaaa", b"forged")

    on_bus(case)


def test_one_key_is_purged_and_the_others_stay(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        other = "runbus.v1.run.nlp.bbbbbbbbbbbb.08"
        await store(world.bus, "accepted", 0)
        await store(world.bus, "accepted", 0, other)
        await entry(world.bus, RUNS_BUCKET, "nlp.bbbbbbbbbbbb", after=2)
        key = f"$KV.{RUNS_BUCKET}.nlp.aaaaaaaaaaaa"
        answer = await world.bus.api(f"STREAM.PURGE.KV_{RUNS_BUCKET}", {"filter": key})
        assert answer["purged"] == 1
        assert await world.bus.last_message(f"KV_{RUNS_BUCKET}", key) is None
        assert await bodies(world.bus, f"KV_{RUNS_BUCKET}") == [b"accepted"]

    on_bus(case)


def test_events_are_purged_up_to_a_sequence(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        await store(world.bus, "accepted", 0)
        await store(world.bus, "admitted", 1)
        await store(world.bus, "launched", 2)
        body = {"filter": OF_RUN, "seq": 3}
        await world.bus.api(f"STREAM.PURGE.{EVENTS}", body)
        assert await bodies(world.bus, EVENTS, OF_RUN) == [b"launched"]

    on_bus(case)


def test_a_purged_run_begins_anew(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        await store(world.bus, "accepted", 0)
        await world.bus.api(f"STREAM.PURGE.{EVENTS}", {"filter": OF_RUN})
        assert await store(world.bus, "accepted", 0) == 2

    on_bus(case)


def test_provisioning_again_changes_nothing(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        await store(world.bus, "accepted", 0)
        assert {each.outcome for each in await provision(world.bus)} == {"unchanged"}
        assert await bodies(world.bus, EVENTS) == [b"accepted"]

    on_bus(case)


def test_what_is_never_changed_in_place_is_refused(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        config = (await world.bus.api(f"STREAM.INFO.{EVENTS}"))["config"]
        with pytest.raises(BusRefusedError):
            await world.bus.api(f"STREAM.UPDATE.{EVENTS}", {**config, "retention": "workqueue"})

    on_bus(case)


def test_subjects_belong_to_one_stream(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        config = {"name": "OTHER", "subjects": ["runbus.v1.run.nlp.>"]}
        with pytest.raises(BusRefusedError):
            await world.bus.api("STREAM.CREATE.OTHER", config)

    on_bus(case)


def test_a_message_with_a_time_to_live_goes_and_leaves_a_marker(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        subject, stream = f"$KV.{LEASES_BUCKET}.x", f"KV_{LEASES_BUCKET}"
        first = await world.bus.publish(subject, b"me", {EXPECTED_SEQUENCE: "0", "Nats-TTL": "1s"})
        with pytest.raises(WrongSequenceError):
            await world.bus.publish(subject, b"you", {EXPECTED_SEQUENCE: "0", "Nats-TTL": "1s"})
        while True:
            found = await world.bus.last_message(stream, subject)
            if found is None or found.sequence != first:
                break
        assert found is not None
        assert found.headers.get("Nats-Marker-Reason") == "MaxAge"
        expected = {EXPECTED_SEQUENCE: str(found.sequence), "Nats-TTL": "1s"}
        assert await world.bus.publish(subject, b"you", expected) == found.sequence + 1

    on_bus(case)


def test_a_time_to_live_is_refused_where_the_stream_has_none(on_bus: Run) -> None:
    async def case(world: BusWorld) -> None:
        with pytest.raises(BusRefusedError):
            await world.bus.publish(f"{RUN}.accepted", b"x", {"Nats-TTL": "1s"})

    on_bus(case)
