"""Put synthetic runs on the bus, many thousands a second: events as the services would store them.

Messages go out without waiting; the last of each batch is acknowledged, and with it all before it
on the same connection. It must not know what is measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from msgspec.structs import replace

from bench.synthetic import accepted, document, in_attempt, with_running_deadline
from runbus.contracts import codec, envelope, subjects
from runbus.contracts.envelope import Envelope
from runbus.contracts.events import (
    EVENT_STRUCTS,
    RunAccepted,
    RunAdmitted,
    RunCompleted,
    RunDeadlineChanged,
    RunEvent,
    ce_type,
)
from runbus.contracts.identity import child_traceparent, event_id
from runbus.contracts.states import EventType, RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.streams import EVENTS, LIVE_BUCKET, RUNS_BUCKET
from runbus.runtime.runlog import source_sequence
from runbus.sdk.bus import Bus

# The server buffers 10,000 messages of a stream at most and drops what is beyond.
BATCH = 2000
FINISHED_PROJECT = "done"
SOURCED_TIMEOUT_S = 120.0


def headers_of(event_type: EventType, status: RunStatus) -> dict[str, str]:
    """Return the headers that every event carries."""
    own_id = event_id(status.run_id, status.attempt, event_type, 0)
    return envelope.to_headers(
        Envelope(
            id=own_id,
            type=ce_type(event_type),
            source="/runbus/bench",
            subject=f"{status.project}/{status.run_id}",
            time=datetime.now(UTC),
            traceparent=child_traceparent(None, status.run_id, own_id),
        )
    )


async def store(bus: Bus, event_type: EventType, events: Iterable[RunEvent]) -> int:
    """Store events of one type as fast as the server takes them; returns how many."""
    found = list(events)
    for count, event in enumerate(found, start=1):
        status = event.status
        subject = subjects.event(status.project, status.run_id, status.shard, event_type)
        put = bus.publish if count % BATCH == 0 or count == len(found) else bus.send
        await put(subject, codec.encode(event), headers_of(event_type, status))
    return len(found)


async def until_sourced(bus: Bus) -> None:
    """Wait until the server has filled both buckets with what is in the events stream."""
    for bucket in (RUNS_BUCKET, LIVE_BUCKET):
        async with asyncio.timeout(SOURCED_TIMEOUT_S):
            while True:
                last = int((await bus.api(f"STREAM.INFO.{EVENTS}"))["state"]["last_seq"])
                info = await bus.api(f"STREAM.INFO.KV_{bucket}")
                if int(info["sources"][0]["lag"]) == 0 and await _source(bus, bucket) >= last:
                    break
                await asyncio.sleep(0.1)


async def _source(bus: Bus, bucket: str) -> int:
    """Return the sequence of the newest event that a bucket has."""
    message = await bus.last_message(f"KV_{bucket}", f"$KV.{bucket}.>")
    return source_sequence(message) if message is not None else 0


async def seed_live(bus: Bus, prefix: str, first: int, count: int) -> None:
    """Put running runs on the bus: accepted, admitted, running."""
    shared = document()
    numbers = range(first, first + count)
    before = [accepted(prefix, number) for number in numbers]
    await store(
        bus, EventType.ACCEPTED, (RunAccepted(status=each, document=shared) for each in before)
    )
    await store(
        bus,
        EventType.ADMITTED,
        (
            RunAdmitted(status=in_attempt(each, RunState.ADMITTED), document=shared)
            for each in before
        ),
    )
    await store(bus, EventType.RUNNING, _events(EventType.RUNNING, RunState.RUNNING, before))


async def seed_deadlines(bus: Bus, prefix: str, deadlines: Mapping[int, datetime]) -> None:
    """Have the limit of running runs pass at given moments, by their numbers."""
    statuses = (
        with_running_deadline(in_attempt(accepted(prefix, number), RunState.RUNNING), at)
        for number, at in deadlines.items()
    )
    await store(
        bus, EventType.DEADLINE_CHANGED, (RunDeadlineChanged(status=each) for each in statuses)
    )


async def remove_deadlines(bus: Bus, prefix: str, numbers: Iterable[int]) -> None:
    """Put runs back as they were seeded, so that nothing is asked for again."""
    statuses = (in_attempt(accepted(prefix, each), RunState.RUNNING) for each in numbers)
    await store(
        bus, EventType.DEADLINE_CHANGED, (RunDeadlineChanged(status=each) for each in statuses)
    )


async def seed_finished(bus: Bus, prefix: str, count: int, *, ended_at: datetime) -> None:
    """Put completed runs on the bus, and purge their keys from the bucket `live`.

    Args:
        bus: the bus.
        prefix: of their ids.
        count: how many.
        ended_at: when they ended; the scheduler sweeps those that ended long ago.

    """
    shared = document()
    before = [accepted(prefix, number, FINISHED_PROJECT) for number in range(count)]
    await store(
        bus, EventType.ACCEPTED, (RunAccepted(status=each, document=shared) for each in before)
    )
    ended = (
        RunCompleted(status=replace(in_attempt(each, RunState.COMPLETED), since=ended_at))
        for each in before
    )
    await store(bus, EventType.COMPLETED, ended)
    await until_sourced(bus)
    purged = {"filter": f"$KV.{LIVE_BUCKET}.*.{FINISHED_PROJECT}.*"}
    await bus.api(f"STREAM.PURGE.KV_{LIVE_BUCKET}", purged)


def _events(
    event_type: EventType, state: RunState, before: Iterable[RunStatus]
) -> Iterable[RunEvent]:
    struct: Callable[..., RunEvent] = EVENT_STRUCTS[event_type]
    return (struct(status=in_attempt(each, state)) for each in before)
