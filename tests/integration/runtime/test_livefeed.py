"""Feeds of shards become one: every event of both is told, and none twice."""

from __future__ import annotations

import asyncio

from runbus.contracts.identity import shard_of
from runbus.contracts.states import EventType
from runbus.contracts.transitions import Publisher
from runbus.runtime.livefeed import LiveFeed
from runbus.runtime.runlog import RunRecord
from support.buses import TestBus
from support.runs import a_status, replace

WITHIN_S = 20.0


class Told:
    """What feeds have told: run id and sequence, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []
        self._news = asyncio.Event()

    def take(self, record: RunRecord) -> None:
        self.events.append((record.status.run_id, record.sequence))
        self._news.set()

    async def until_told(self, sequence: int, feed: LiveFeed) -> None:
        """Run a feed until it has told of an event."""
        async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(feed.run(self.take))
            await feed.loaded.wait()
            while sequence not in {told for _, told in self.events}:
                self._news.clear()
                await self._news.wait()
            running.cancel()


def ids(number: int) -> list[str]:
    """Return run ids of shards that differ."""
    found = {shard_of(each): each for each in (f"run{n:09d}" for n in range(500))}
    return list(found.values())[:number]


async def stored(on: TestBus, run_id: str) -> RunRecord:
    return await on.accept(replace(a_status(), run_id=run_id, shard=shard_of(run_id)))


async def test_feeds_that_come_together_tell_each_event_once(on: TestBus) -> None:
    first, second, third = ids(3)
    told = Told()
    one, two = (LiveFeed(on.bus, [shard_of(each)], on.log) for each in (first, second))
    events = [await stored(on, first), await stored(on, second)]
    await told.until_told(events[0].sequence, one)
    await told.until_told(events[1].sequence, two)
    events += [await on.admit(events[0]), await on.admit(events[1])]
    await told.until_told(events[3].sequence, two)  # ahead of the other one

    one.absorb(two)
    one.select(sorted(shard_of(each) for each in (first, second)))
    events.append(await stored(on, third))  # of another shard
    launched = await on.store(EventType.LAUNCHED, Publisher.POD_LAUNCHER, events[3], pods=())
    events.append(launched)
    await told.until_told(launched.sequence, one)

    expected = {each.sequence for each in events} - {events[4].sequence}
    assert sorted(sequence for _, sequence in told.events) == sorted(expected)


async def test_feeds_come_together_whichever_is_ahead_and_again(on: TestBus) -> None:
    runs = ids(3)
    told = Told()
    feeds = [LiveFeed(on.bus, [shard_of(each)], on.log) for each in runs]
    newest = {each: await stored(on, each) for each in runs}
    for run_id, feed in zip(runs, feeds, strict=True):
        await told.until_told(newest[run_id].sequence, feed)
    newest = {each: await on.admit(newest[each]) for each in runs}
    await told.until_told(newest[runs[0]].sequence, feeds[0])  # this one is ahead

    feeds[1].absorb(feeds[2])
    feeds[1].select([shard_of(each) for each in runs[1:]])
    feeds[0].absorb(feeds[1])
    feeds[0].select(sorted(shard_of(each) for each in runs))
    await told.until_told(newest[runs[2]].sequence, feeds[0])

    assert len(told.events) == len(set(told.events)) == 2 * len(runs)
