"""Submitted runs and what became of them: when each event was stored, and each pod changed.

Documents carry the plan of their pod's life; events are followed on the bus, with the server's
own times. On the local cluster a plan is a container that sleeps, and the pods are watched.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from bench.synthetic import NAME, PROJECT
from bench.world import ClusterKind, World
from runbus.contracts import codec, labels, subjects
from runbus.contracts.states import EventType, RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.streams import EVENTS
from runbus.sdk.follow import follow

PLAN = "bench.runbus.dev/plan"
TIMEOUT_S = 180.0
PUBLISHING = 64
COUNT_POLL_S = 0.1
ABORTED = EventType.ABORTED.value
COMPLETED = EventType.COMPLETED.value

Moments = dict[str, dict[str, float]]


def job(plan: Mapping[str, float], **settings: Any) -> dict[str, Any]:
    """Return a document whose pod lives by a plan of the stand-in."""
    return {
        "project": PROJECT,
        "name": NAME,
        "kind": "job",
        "image": "registry.example.com/nlp/finetune:3",
        "command": ["sh", "-c", "exit 0"],
        "annotations": {PLAN: msgspec.json.encode(plan).decode()},
        **settings,
    }


class Story:
    """Every event since it began: by run id, when each was stored, and with what status."""

    def __init__(self) -> None:
        self.stored: Moments = defaultdict(dict)
        self.statuses: dict[str, dict[str, RunStatus]] = defaultdict(dict)
        self._news = asyncio.Event()

    def take(self, subject: str, body: bytes, stored_at: float) -> None:
        """Take one event."""
        parsed = subjects.parse_event(subject)
        self.stored[parsed.run_id].setdefault(parsed.event_type, stored_at)
        self.statuses[parsed.run_id].setdefault(parsed.event_type, codec.decode_status(body))
        self._news.set()

    async def until(self, run_ids: Collection[str], *events: str) -> None:
        """Wait until each of some runs has had one of these events."""
        left = set(run_ids)
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                self._news.clear()
                left = {each for each in left if self.stored[each].keys().isdisjoint(events)}
                if not left:
                    return
                await self._news.wait()

    async def until_count(self, count: int, event: str) -> None:
        """Wait until so many runs have had an event.

        Raises:
            TimeoutError: they have not; it says what became of those without it.

        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while sum(event in found for found in self.stored.values()) < count:
                    await asyncio.sleep(COUNT_POLL_S)
        except TimeoutError as error:
            without = {key: list(found) for key, found in self.stored.items() if event not in found}
            text = f"{len(self.stored)} of {count} runs told of, without {event}: {without}"
            raise TimeoutError(text) from error


@asynccontextmanager
async def telling(world: World) -> AsyncIterator[Story]:
    """Follow every event within a block."""
    bus = world.client.bus
    story = Story()
    last = int((await bus.api(f"STREAM.INFO.{EVENTS}"))["state"]["last_seq"])

    async with follow(
        bus, EVENTS, [subjects.events_of_project()], next_sequence=last + 1
    ) as follower:

        async def take() -> None:
            while True:
                for message in await follower.next_batch():
                    assert message.stored_at is not None
                    story.take(message.subject, message.data, message.stored_at.timestamp())

        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(take())
            yield story
            task.cancel()


async def submitted(world: World, document: Mapping[str, Any]) -> str:
    """Submit by request and reply; return the run id."""
    reply = await world.client.submit(document)
    assert reply.accepted, reply.violations
    return reply.run_id


async def submit_at_once(world: World, document: Mapping[str, Any], count: int) -> None:
    """Send so many submit commands of one document, as fast as the bus takes them."""
    bus = world.client.bus
    body, subject = msgspec.json.encode(document), subjects.submit(PROJECT)
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await bus.publish(subject, body)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(PUBLISHING):
            tasks.create_task(work())


SEEN_TIMEOUT_S = 30.0


class Seen:
    """When what happened to the pods of each run: the stand-in's own record, or a watch."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._moments: Moments = defaultdict(dict)

    async def moments(self) -> Moments:
        """Return the moments by run id: created, running, succeeded, deleted, gone."""
        if self._world.kind is ClusterKind.STAND_IN:
            return await self._world.moments()
        return self._moments

    async def until(self, run_ids: Iterable[str], moment: str) -> Moments:
        """Wait until a moment of each run has been seen: its event may have been faster."""
        wanted = list(run_ids)
        async with asyncio.timeout(SEEN_TIMEOUT_S):
            while True:
                moments = await self.moments()
                if all(moment in moments.get(each, {}) for each in wanted):
                    return moments
                await asyncio.sleep(0.01)

    async def watch(self) -> None:
        """Note what a watch of the local cluster shows, until cancelled."""
        query = {"watch": "true", "labelSelector": labels.RUN_ID}
        url = self._world.kube_url + "/api/v1/pods"
        async with self._world.http.get(url, params=query) as answer:
            rest = b""
            async for chunk in answer.content.iter_any():
                now = time.time()
                *lines, rest = (rest + chunk).split(b"\n")
                for each in lines:
                    self._take(msgspec.json.decode(each), now)

    def _take(self, event: dict[str, Any], now: float) -> None:
        found = event["object"]
        moments = self._moments[found["metadata"]["labels"][labels.RUN_ID]]
        moments.setdefault("created", now)
        if "deletionTimestamp" in found["metadata"]:
            moments.setdefault("deleted", now)
        if event["type"] == "DELETED":
            moments.setdefault("deleted", now)
            moments.setdefault("gone", now)
        phase = found.get("status", {}).get("phase")
        if phase in {"Running", "Succeeded"}:
            moments.setdefault(phase.lower(), now)


@asynccontextmanager
async def seeing(world: World) -> AsyncIterator[Seen]:
    """Note what happens to pods within a block."""
    seen = Seen(world)
    if world.kind is ClusterKind.STAND_IN:
        yield seen
        return
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(seen.watch())
        yield seen
        task.cancel()


FINAL = tuple(state.value for state in RunState if state.is_final)
