"""The operator's defaults as a service follows them, on a real bus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from runbus.runtime.defaults_feed import DefaultsFeed
from runbus.runtime.metrics import Metrics
from runbus.sdk.bus import Bus
from runbus.sdk.connecting import connect
from runbus.sdk.defaults import (
    DEFAULTS_SUBJECT,
    DefaultsMovedError,
    kept_defaults,
    newest_defaults,
    store_defaults,
)
from runbus.sdk.errors import BusError
from runbus.settings.defaults import Defaults, Limits
from support.buses import TestBus, running_bus
from support.stack import running_nats

SOON_S = 1.0  # what is promised: a change holds within a second


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[TestBus]:
    async with running_bus(tmp_path) as running:
        yield running


def limited(runs: int) -> Defaults:
    return Defaults(limits=Limits(concurrent_runs=runs))


async def stored(bus: Bus, runs: object) -> int:
    newest = await newest_defaults(bus)
    after = newest.revision if newest is not None else 0
    text = f"limits: {{concurrent_runs: {runs}}}"
    return await store_defaults(bus, text.encode(), author="alice", after=after)


class Following:
    """A feed, what it told, and what it counted."""

    def __init__(self, bus: TestBus, file: Defaults | None = None) -> None:
        self.metrics = Metrics()
        self.feed = DefaultsFeed(bus.bus, file, bus.log, self.metrics.defaults_rejected)
        self.told: asyncio.Queue[Defaults] = asyncio.Queue()

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[DefaultsFeed]:
        async with self.feed.following(asyncio.Event()):
            self.feed.listen(self.told.put_nowait)
            yield self.feed

    async def next(self) -> Defaults:
        async with asyncio.timeout(SOON_S):
            return await self.told.get()

    def rejected(self) -> bool:
        return b"runbus_defaults_rejected_total 1.0" in self.metrics.render()


async def test_while_the_bucket_is_empty_the_file_holds_else_what_is_shipped(bus: TestBus) -> None:
    async with Following(bus, limited(3))() as feed:
        assert (feed.defaults, feed.revision) == (limited(3), 0)
        assert feed.ready_problem() is None
    async with Following(bus)() as feed:
        assert feed.defaults == Defaults()


async def test_the_bucket_wins_over_the_file_and_that_is_told_once(bus: TestBus) -> None:
    await stored(bus.bus, 5)
    with capture_logs() as logs:
        async with Following(bus, limited(3))() as feed:
            assert (feed.defaults, feed.revision) == (limited(5), 1)
    differs = [each for each in logs if "defaults file differs" in each["event"]]
    assert [each["log_level"] for each in differs] == ["warning"]


async def test_a_change_is_told_within_a_second_and_also_a_removal(bus: TestBus) -> None:
    following = Following(bus, limited(3))
    async with following() as feed:
        await stored(bus.bus, 5)
        assert await following.next() == limited(5)
        assert feed.revision == 1
        await bus.bus.publish(DEFAULTS_SUBJECT, b"", {"KV-Operation": "DEL"})
        assert await following.next() == limited(3)
        assert feed.revision == 0


async def test_a_broken_revision_never_takes_effect(bus: TestBus) -> None:
    following = Following(bus)
    async with following() as feed:
        await stored(bus.bus, 5)
        assert await following.next() == limited(5)
        with capture_logs() as logs:
            await stored(bus.bus, "many")
            async with asyncio.timeout(SOON_S):
                while not following.rejected():
                    await asyncio.sleep(0.01)
        assert [each["revision"] for each in logs if each["log_level"] == "error"] == [2]
        assert (feed.defaults, feed.revision) == (limited(5), 1)
        assert feed.ready_problem() is None
        await stored(bus.bus, 6)
        assert await following.next() == limited(6)


async def test_a_start_after_a_broken_revision_finds_the_last_good_one(bus: TestBus) -> None:
    await stored(bus.bus, 5)
    await stored(bus.bus, "many")
    async with Following(bus)() as feed:
        assert (feed.defaults, feed.revision) == (limited(5), 1)


async def test_a_change_is_not_missed_over_a_restart_of_the_bus(bus: TestBus) -> None:
    following = Following(bus)
    async with following() as feed:
        bus.nats.kill()
        await bus.nats.wait()
        await bus.nats.start()
        async with asyncio.timeout(20):
            while feed.revision == 0:
                with contextlib.suppress(BusError, DefaultsMovedError):  # it is not back yet
                    await stored(bus.bus, 5)
                await asyncio.sleep(0.2)
        assert feed.defaults == limited(5)


async def test_without_the_bucket_nothing_begins_and_the_service_is_not_ready(
    tmp_path: Path,
) -> None:
    async with running_nats(tmp_path) as nats:
        bus = await connect(nats.url, name="test", attempts_max=40)
        test_bus = TestBus(nats, bus, structlog.get_logger())
        following = Following(test_bus)
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(begun(following.feed, stopping))
            async with asyncio.timeout(10):
                while "KV_defaults" not in (following.feed.ready_problem() or ""):
                    await asyncio.sleep(0.01)
            assert not task.done()
            stopping.set()
        await bus.close()


async def begun(feed: DefaultsFeed, stopping: asyncio.Event) -> None:
    async with feed.following(stopping):
        assert not feed.loaded.is_set()


async def test_two_who_store_at_once_never_overwrite_each_other(bus: TestBus) -> None:
    await stored(bus.bus, 5)
    outcomes = await asyncio.gather(
        *(store_defaults(bus.bus, b"{}", author=f"{n}", after=1) for n in range(8)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, int) for each in outcomes) == 1
    assert sum(isinstance(each, DefaultsMovedError) for each in outcomes) == 7
    assert [each.revision for each in await kept_defaults(bus.bus)] == [1, 2]


async def test_ten_revisions_are_kept_with_who_stored_them(bus: TestBus) -> None:
    for runs in range(12):
        await stored(bus.bus, runs)
    kept = await kept_defaults(bus.bus)
    assert [each.revision for each in kept] == list(range(3, 13))
    assert {each.author for each in kept} == {"alice"}
    assert all(each.stored_at is not None for each in kept)
