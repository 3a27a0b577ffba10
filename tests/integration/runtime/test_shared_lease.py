"""Shards shared by replicas on a real nats-server: no shard is two's, none stays nobody's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from runbus.contracts import codec
from runbus.contracts.leases import ALL_SHARDS, ShardLease, watcher_key
from runbus.runtime.clock import SystemClock
from runbus.runtime.errors import FatalError
from runbus.runtime.leases import RENEW_S, STREAM, TTL_S, lease_subject
from runbus.sdk.bus import Bus
from runbus.sdk.connecting import connect
from runbus.state_watcher.shards import Origin
from runbus.state_watcher.sharing import SILENT_MAX_S, SharedLease
from support.buses import TestBus
from support.proxies import bus_proxy

WITHIN_S = 20.0


class Replica:
    """A replica that does nothing with its shards but to note them."""

    def __init__(self, bus: Bus, on: TestBus, name: str, process: str = "") -> None:
        self.others: list[Replica] = []
        self.lease = SharedLease(bus, name, process or f"process-{name}", SystemClock(), on.log)
        self.stopping = asyncio.Event()
        self.owned: set[str] = set()
        self.origins: list[Origin] = []
        self.task: asyncio.Task[None] | None = None

    def gain(self, shards: tuple[str, ...], origin: Origin) -> None:
        assert self.owned.isdisjoint(shards)
        for each in self.others:
            assert each is self or each.acting.isdisjoint(shards), "a shard has two owners"
        self.owned.update(shards)
        self.origins.append(origin)

    def drop(self, shards: tuple[str, ...]) -> None:
        self.owned.difference_update(shards)

    @property
    def acting(self) -> set[str]:
        """What it may act on now."""
        return set(self.owned) if self.lease.is_valid else set()

    async def keep(self) -> None:
        await self.lease.keep(self, self.stopping)

    async def stop(self) -> None:
        """Stop as on SIGTERM."""
        self.stopping.set()
        self.lease.end()
        if self.task is not None:
            await self.task
        await self.lease.release()

    async def die(self) -> None:
        """End as on SIGKILL."""
        assert self.task is not None
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
        self.owned.clear()


@asynccontextmanager
async def replicas(on: TestBus, *names: str) -> AsyncIterator[list[Replica]]:
    """Run replicas for the length of a block, and watch that no two own one shard."""
    made = [Replica(on.bus, on, name) for name in names]
    for each in made:
        each.others = made
    async with asyncio.TaskGroup() as tasks:
        for each in made:
            each.task = tasks.create_task(each.keep())
        looking = tasks.create_task(never_two(made))
        yield made
        looking.cancel()
        for each in made:
            each.task is None or each.task.cancel()


async def never_two(made: list[Replica]) -> None:
    while True:
        acting = [shard for each in made for shard in each.acting]
        assert len(acting) == len(set(acting)), "a shard has two owners"
        await asyncio.sleep(0.005)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0.01)


def sizes(made: list[Replica]) -> list[int]:
    return sorted(len(each.acting) for each in made)


async def test_a_single_replica_owns_all_shards_at_once(on: TestBus) -> None:
    began = asyncio.get_running_loop().time()
    async with replicas(on, "a") as [only]:
        await until(lambda: only.acting == set(ALL_SHARDS))

    assert asyncio.get_running_loop().time() - began < RENEW_S
    assert only.origins == [Origin.FREE]


async def test_replicas_that_begin_together_share_all_shards(on: TestBus) -> None:
    async with replicas(on, "a", "b", "c") as made:
        await until(lambda: sizes(made) == [21, 21, 22])
        owned = [set(each.owned) for each in made]
        await asyncio.sleep(2 * RENEW_S)

        assert [set(each.owned) for each in made] == owned


async def test_replicas_that_come_and_go_claim_nothing_that_others_hold(on: TestBus) -> None:
    async with replicas(on, "a", "b") as made, asyncio.TaskGroup() as tasks:
        for number in range(4):
            await until(lambda: sizes(made) == [32, 32])
            late = Replica(on.bus, on, f"late-{number}")
            late.others = made
            made.append(late)
            late.task = tasks.create_task(late.keep())
            await until(lambda: sizes(made) == [21, 21, 22])
            await late.stop()
            made.remove(late)


async def test_the_shards_of_a_dead_replica_are_taken_over_after_its_lease(on: TestBus) -> None:
    async with replicas(on, "a", "b", "c") as made:
        await until(lambda: sizes(made) == [21, 21, 22])
        before = [set(each.owned) for each in made[:2]]
        await made[2].die()
        await until(lambda: sizes(made[:2]) == [32, 32])

        assert all(old <= new.owned for old, new in zip(before, made, strict=False))
        assert {each.origins[-1] for each in made[:2]} == {Origin.TAKEN_OVER}


async def test_a_replica_that_stops_lets_go_at_once(on: TestBus) -> None:
    async with replicas(on, "a", "b") as made:
        await until(lambda: sizes(made) == [32, 32])
        began = asyncio.get_running_loop().time()
        await made[1].stop()
        made[1].owned.clear()
        await until(lambda: made[0].acting == set(ALL_SHARDS))

        assert asyncio.get_running_loop().time() - began < TTL_S / 2
        assert made[0].origins[-1] is Origin.HANDED_OVER


async def test_a_new_process_under_an_old_name_has_its_shards_at_once_and_the_old_one_goes(
    on: TestBus,
) -> None:
    old, new = Replica(on.bus, on, "a", "first"), Replica(on.bus, on, "a", "second")
    raised: list[FatalError] = []

    async def until_refused() -> None:
        try:
            await old.keep()
        except* FatalError as group:
            raised.extend(each for each in group.exceptions if isinstance(each, FatalError))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(until_refused())
        await until(lambda: old.acting == set(ALL_SHARDS))
        new.task = tasks.create_task(new.keep())
        await until(lambda: new.acting == set(ALL_SHARDS))
        await until(lambda: bool(raised))
        new.task.cancel()

    assert "another process runs as replica a" in str(raised[0])


async def test_a_replica_that_cannot_renew_stops_before_another_begins_and_comes_back(
    on: TestBus,
) -> None:
    async with bus_proxy(on.nats.url) as proxy, replicas(on, "b") as made:
        behind = await connect(proxy.url, name="behind", attempts_max=20)
        cut_off = Replica(behind, on, "a")
        made.append(cut_off)
        async with asyncio.TaskGroup() as tasks:
            cut_off.task = tasks.create_task(cut_off.keep())
            await until(lambda: sizes(made) == [32, 32])
            proxy.hang()
            await until(lambda: made[0].acting == set(ALL_SHARDS))
            assert not cut_off.lease.is_valid
            assert cut_off.lease.ready_problem() == "the lease is not renewed"
            proxy.resume()
            await until(lambda: sizes(made) == [32, 32])
            cut_off.task.cancel()
        await behind.close()


async def test_when_the_bus_was_away_each_goes_on_with_what_it_had(on: TestBus) -> None:
    async with replicas(on, "a", "b") as made:
        await until(lambda: sizes(made) == [32, 32])
        owned, gains = [set(each.owned) for each in made], [len(each.origins) for each in made]
        on.nats.kill()
        await on.nats.wait()
        await until(lambda: not any(each.lease.is_valid for each in made))
        await asyncio.sleep(SILENT_MAX_S)
        await on.nats.start()
        await on.nats.wait_ready(10)
        await until(lambda: sizes(made) == [32, 32])
        await asyncio.sleep(2 * RENEW_S)

        assert [each.acting for each in made] == owned
        assert [len(each.origins) for each in made] == gains


async def test_a_replica_of_which_nothing_is_heard_keeps_its_shards_while_its_key_is_there(
    on: TestBus,
) -> None:
    """A bus without a leader lets keys outlive their time; they may be renewed after it."""
    body = codec.encode(ShardLease(process="silent", shards=ALL_SHARDS[:32]))
    subject = lease_subject(watcher_key("silent"))
    await on.bus.publish(subject, body, {"Nats-TTL": "60s"})
    async with replicas(on, "a") as [other]:
        await until(lambda: other.acting == set(ALL_SHARDS[32:]))
        await asyncio.sleep(SILENT_MAX_S + 2 * RENEW_S)
        assert other.acting == set(ALL_SHARDS[32:])

        await on.bus.api(f"STREAM.PURGE.{STREAM}", {"filter": subject})  # and nobody is told
        await until(lambda: other.acting == set(ALL_SHARDS))


@pytest.mark.parametrize("name", ["a", "pod.with-dots_and spaces"])
async def test_whatever_a_replica_is_called_it_has_a_key(on: TestBus, name: str) -> None:
    async with replicas(on, name) as [only]:
        await until(lambda: only.acting == set(ALL_SHARDS))
