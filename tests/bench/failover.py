"""What a replica's end costs its runs: of three state-watchers one is killed, frozen, stopped.

At that moment runs of all shards end, and what is measured is when the last of them is stored as
completed: found by another replica, which had to take the shards over, read them and list them.
With many live runs one is killed just before deadlines pass: when is the last of them acted upon?
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from nats.aio.msg import Msg

from bench.figures import Figure, Outcome, of_repeats
from bench.seeding import remove_deadlines, seed_deadlines, seed_live, until_sourced
from bench.settings import Setting
from bench.standin.pods import Step
from bench.synthetic import run_id
from bench.world import ABOUT, READY_TIMEOUT_S, ClusterKind, World, running_world, until_at_rest
from runbus.cli.doctor.services import lease_holders, owners_of_shards, unowned
from runbus.cli.stack.service import ServiceProcess
from runbus.contracts import subjects
from runbus.contracts.identity import shard_of
from runbus.contracts.states import EventType
from runbus.contracts.transitions import Publisher

REPLICAS = 3
LIVING, ENDING = "l", "e"
POLL_S = 0.05
ENDED_TIMEOUT_S = 60.0
THAWED_AFTER_S = 5.0
ENDED_PER_SECOND = 2000.0
# Deadlines that pass right after a kill, and how long before it the watchers are told of them.
LATE_OF_EACH = 300
TOLD_WITHIN_S = 2.0
DUE_AFTER_S = 0.2
Act = Callable[[ServiceProcess], Awaitable[None]]


async def run(setting: Setting) -> Outcome:
    """Measure each way to go, some times."""
    runs = setting.pick(full=10_000, quick=1000, smoke=20)
    ending = setting.pick(full=200, quick=200, smoke=10)
    repeats = setting.pick(full=7, quick=3, smoke=1)
    figures: list[Figure] = []
    async with running_world(setting.folder, services=()) as world:
        await world.control("/bench/seed", {"prefix": LIVING, "count": runs})
        await seed_live(world.client.bus, LIVING, 0, runs)
        bench = _Bench(world, ending)
        await bench.start()
        for name, act in (("killed", _kill), ("frozen", _freeze), ("stopped", _stop)):
            setting.tell(f"failover: {name}")
            took_s = [await bench.measure(act) for _ in range(repeats)]
            title = f"a replica of {REPLICAS} {name}: its runs' ends are stored"
            figures.append(of_repeats(name, title, took_s, "s"))
            worst = f"{title}, the worst of {repeats}"
            figures.append(Figure(key=f"{name}_max", title=worst, value=max(took_s), unit="s"))
    figures += await _with_many(setting)
    conditions = {
        "runs": f"{runs:,} live and quiet, {ending} that end at that moment, on all shards",
        "deadlines": f"{LATE_OF_EACH} runs, on all shards, {DUE_AFTER_S:g} s after the kill",
        "cluster": ABOUT[ClusterKind.STAND_IN],
        "bus": "one nats-server",
    }
    return Outcome(figures=tuple(figures), conditions=conditions)


async def _with_many(setting: Setting) -> list[Figure]:
    """Measure how late deadlines are of which a killed replica was in charge."""
    counts = setting.pick(full=(10_000, 30_000, 100_000), quick=(10_000, 30_000), smoke=(40,))
    repeats = setting.pick(full=5, quick=3, smoke=1)
    figures: list[Figure] = []
    for size, count in zip(("small", "middle", "large"), counts, strict=False):
        folder = setting.folder / size
        folder.mkdir()
        async with running_world(folder, services=()) as world:
            setting.tell(f"failover: {count:,} live runs")
            await world.control("/bench/seed", {"prefix": LIVING, "count": count})
            await seed_live(world.client.bus, LIVING, 0, count)
            await until_sourced(world.client.bus)
            bench = _Bench(world)
            await bench.start()
            found = [await bench.deadlines(min(LATE_OF_EACH, count)) for _ in range(repeats)]
        title = f"a replica of {REPLICAS} killed with {count:,} live runs: to its"
        first_s, last_s = zip(*found, strict=True)
        last = f"{title} last passed deadline's command"
        figures += [
            of_repeats(f"first_{size}", f"{title} first such command", first_s, "s"),
            of_repeats(f"late_{size}", last, last_s, "s"),
            Figure(
                key=f"late_{size}_max",
                title=f"{last}, the worst of {repeats}",
                value=max(last_s),
                unit="s",
            ),
        ]
    return figures


class _Bench:
    """Three watchers in a world."""

    def __init__(self, world: World, ending: int = 0) -> None:
        self._world = world
        self._bus = world.client.bus
        self._ending = ending
        self._ended = 0
        self._replicas: list[ServiceProcess] = []
        self._turn = 0

    async def start(self) -> None:
        for number in range(REPLICAS):
            process = await self._world.stack.add(Publisher.STATE_WATCHER.value, str(number))
            self._replicas.append(process)

    async def measure(self, act: Act) -> float:
        """Return the seconds from a replica's end to the last of the runs' that ended then."""
        first, self._ended = self._ended, self._ended + self._ending
        await self._world.control("/bench/seed", {"prefix": ENDING, "count": self._ending})
        await seed_live(self._bus, ENDING, first, self._ending)
        await until_sourced(self._bus)
        await self._until_shared()
        victim = self._replicas[self._turn % REPLICAS]
        self._turn += 1
        missing, done = self._ending, asyncio.Event()

        async def on_completed(_msg: Msg) -> None:
            nonlocal missing
            missing -= 1
            if missing == 0:
                done.set()

        completed = subjects.events_of_type(EventType.COMPLETED)
        subscription = await self._bus.subscribe(completed, on_completed)
        began = time.monotonic()
        await act(victim)
        await self._world.change(
            ENDING,
            first=first,
            count=self._ending,
            step=Step.SUCCEEDED,
            per_second=ENDED_PER_SECOND,
        )
        async with asyncio.timeout(ENDED_TIMEOUT_S):
            await done.wait()
        took_s = time.monotonic() - began
        await self._bus.unsubscribe(subscription)
        await self._bring_back(victim)
        return took_s

    async def deadlines(self, count: int) -> tuple[float, float]:
        """Return the seconds from a kill to the first and the last command about its runs."""
        await self._until_shared()
        place = self._turn % REPLICAS
        victim = self._replicas[place]
        self._turn += 1
        waiting = await self._owned_by(str(place), count)
        came_at: list[float] = []
        done = asyncio.Event()

        async def on_abort(msg: Msg) -> None:
            own_id = subjects.parse_command(msg.subject)[2]
            if own_id in waiting:
                waiting.remove(own_id)
                came_at.append(time.monotonic())
            if not waiting:
                done.set()

        subscription = await self._bus.subscribe(subjects.command(subjects.ABORT), on_abort)
        due_at = datetime.now(UTC) + timedelta(seconds=TOLD_WITHIN_S + DUE_AFTER_S)
        await seed_deadlines(self._bus, LIVING, dict.fromkeys(range(count), due_at))
        left_s = (due_at - datetime.now(UTC)).total_seconds() - DUE_AFTER_S
        await asyncio.sleep(left_s)
        began = time.monotonic()
        await _kill(victim)
        async with asyncio.timeout(ENDED_TIMEOUT_S):
            await done.wait()
        await self._bus.unsubscribe(subscription)
        await remove_deadlines(self._bus, LIVING, range(count))
        await self._bring_back(victim)
        return came_at[0] - began, came_at[-1] - began

    async def _owned_by(self, replica: str, count: int) -> set[str]:
        """Return which of the first live runs a replica is in charge of."""
        shards = owners_of_shards(await lease_holders(self._bus))[replica]
        ids = (run_id(LIVING, number) for number in range(count))
        return {each for each in ids if shard_of(each) in shards}

    async def _bring_back(self, victim: ServiceProcess) -> None:
        """Let a frozen one go on, once the others have what it had; start a dead one again."""
        if victim.exit_code is None:
            await asyncio.sleep(THAWED_AFTER_S)
            os.kill(victim.pid, signal.SIGCONT)
        else:
            await victim.start()
        await victim.wait_ready(READY_TIMEOUT_S)

    async def _until_shared(self) -> None:
        async with asyncio.timeout(READY_TIMEOUT_S):
            while True:
                holders = await lease_holders(self._bus)
                if len(owners_of_shards(holders)) == REPLICAS and not unowned(holders):
                    break
                await asyncio.sleep(POLL_S)
        for each in self._replicas:
            await each.wait_ready(READY_TIMEOUT_S)
        await until_at_rest({each.name: each.pid for each in self._replicas}, quiet_s=0.5)


async def _kill(process: ServiceProcess) -> None:
    process.kill()
    await process.wait()


async def _freeze(process: ServiceProcess) -> None:
    os.kill(process.pid, signal.SIGSTOP)


async def _stop(process: ServiceProcess) -> None:
    process.terminate()
    await process.wait()
