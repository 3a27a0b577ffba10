"""What live runs cost: starts, memory, CPU per event and lateness, with more and more of them.

Synthetic runs stand on the bus and in the stand-in as if they had been submitted; state-watcher
and scheduler are started on them, and measured while pods change, runs end, runs are admitted and
deadlines pass. Nothing may grow with the runs that are over, and little with those that live: the
systems of all sizes are up at once and take turns, and a ratio is the median over the rounds, so
that it says something on a machine whose speed is not its own.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from msgspec import Struct
from nats.aio.msg import Msg

from bench.figures import Figure, Outcome, of_repeats, spread
from bench.processes import memory
from bench.seeding import (
    remove_deadlines,
    seed_deadlines,
    seed_finished,
    seed_live,
    store,
    until_sourced,
)
from bench.settings import Setting
from bench.standin.pods import Step
from bench.synthetic import accepted, document, run_id
from bench.world import (
    ABOUT,
    POLL_S,
    READY_TIMEOUT_S,
    ClusterKind,
    World,
    running_world,
    until_at_rest,
)
from runbus.cli.stack.probe import get
from runbus.contracts import subjects
from runbus.contracts.events import RunAccepted
from runbus.contracts.states import EventType
from runbus.contracts.transitions import Publisher

WATCHER, SCHEDULER = Publisher.STATE_WATCHER.value, Publisher.SCHEDULER.value
SERVER = "nats-server"
LIVING, ENDING, COMING = "l", "e", "a"  # prefixes of run ids
SIZES = ("small", "middle", "large")
WITH_FINISHED = "finished"
COUNT_TIMEOUT_S = 180.0
DEADLINES_START_S = 1.0
STOP_GRACE_S = 10.0
HELD = 'runbus_lease_held{lease="scheduler"} 1.0'


class Load(Struct, frozen=True, kw_only=True):
    """What is done to a system in one round, and once in the end."""

    starts: int
    rounds: int
    touched: int
    touched_per_second: float
    ended: int
    ended_per_second: float
    admitted: int
    admitted_per_second: float
    deadlines: int
    deadlines_within_s: float


FULL = Load(
    starts=3,
    rounds=7,
    touched=1500,
    touched_per_second=1500,
    ended=200,
    ended_per_second=150,
    admitted=100,
    admitted_per_second=100,
    deadlines=1000,
    deadlines_within_s=10,
)
SMOKE = Load(
    starts=2,
    rounds=1,
    touched=20,
    touched_per_second=100,
    ended=5,
    ended_per_second=50,
    admitted=5,
    admitted_per_second=50,
    deadlines=5,
    deadlines_within_s=0.5,
)


class Costs(Struct, frozen=True, kw_only=True):
    """CPU of one round, in microseconds for each thing done, by process."""

    touch: Mapping[str, float]
    end: Mapping[str, float]
    admit: Mapping[str, float]


class Measured(Struct, kw_only=True):
    """One system: how many live runs, and what they cost."""

    title: str
    runs: int
    start_s: Mapping[str, float]
    rss_mib: Mapping[str, float]
    peak_mib: Mapping[str, float]
    rounds: list[Costs] = []
    late_ms: list[float] = []


async def run(setting: Setting) -> Outcome:
    """Measure small, small with many finished runs, middle and large."""
    counts = setting.pick(full=(1000, 10_000, 100_000), quick=(1000, 10_000), smoke=(20, 40))
    finished = setting.pick(full=100_000, quick=10_000, smoke=20)
    load = setting.pick(full=FULL, quick=FULL, smoke=SMOKE)
    sizes = dict(zip(SIZES, counts, strict=False))
    found: dict[str, Measured] = {}
    async with AsyncExitStack() as worlds:
        benches: dict[str, _Bench] = {}
        for size in (*sizes, WITH_FINISHED):
            folder = setting.folder / size
            folder.mkdir()
            world = await worlds.enter_async_context(running_world(folder, services=()))
            bench = benches[size] = _Bench(world, load)
            setting.tell(f"live: {size}")
            count = sizes.get(size, counts[0])
            title = f"{count:,} live"
            if size == WITH_FINISHED:
                title += f", {finished:,} finished"
                await seed_finished(world.client.bus, "f", finished, ended_at=datetime.now(UTC))
            found[size] = await bench.start(title, count)
        for number in range(load.rounds):
            setting.tell(f"live: round {number + 1} of {load.rounds}")
            for size, bench in benches.items():
                found[size].rounds.append(await bench.round())
        for size, bench in benches.items():
            setting.tell(f"live: deadlines, {size}")
            found[size].late_ms = await bench.deadlines()
    figures = [figure for size, each in found.items() for figure in _figures(size, each)]
    last = list(sizes)[-1]
    small = found["small"]
    figures += _growth(small, found[WITH_FINISHED], "finished", "many finished over none")
    figures += _growth(small, found[last], "live", f"{counts[-1]:,} over {counts[0]:,} live")
    figures.append(_memory_of_a_run(small, found[last]))
    conditions = {
        "cluster": ABOUT[ClusterKind.STAND_IN],
        "systems": f"{len(benches)} at once, taking turns; {load.rounds} rounds, medians",
        "starts": f"the median of {load.starts}",
    }
    return Outcome(figures=tuple(figures), conditions=conditions)


class _Bench:
    """One world."""

    def __init__(self, world: World, load: Load) -> None:
        self._world = world
        self._bus = world.client.bus
        self._load = load
        self._living = self._ending = self._coming = 0

    async def start(self, title: str, count: int) -> Measured:
        """Seed a number of live runs, and start watcher and scheduler on them."""
        ending = self._load.ended * self._load.rounds
        for prefix, number in ((LIVING, count), (ENDING, ending)):
            await self._world.control("/bench/seed", {"prefix": prefix, "count": number})
            await seed_live(self._bus, prefix, 0, number)
        self._living = count
        await until_sourced(self._bus)
        start_s, pids = {}, {}
        for name in (WATCHER, SCHEDULER):
            starts: list[float] = []
            for number in range(self._load.starts):
                if number:
                    await self._world.stack.services[name].stop(STOP_GRACE_S)
                starts.append(await self._begun(name))
            start_s[name] = statistics.median(starts)
            pids[name] = self._world.stack.services[name].pid
        await until_at_rest(pids)
        memories = {name: memory(pid) for name, pid in pids.items()}
        return Measured(
            title=title,
            runs=count,
            start_s=start_s,
            rss_mib={name: each.rss_mib for name, each in memories.items()},
            peak_mib={name: each.peak_mib for name, each in memories.items()},
        )

    async def _begun(self, name: str) -> float:
        """Start a service; return the seconds until it does its work.

        A scheduler that only stands by is ready, too: until its lease is its own it has read none.
        """
        began = time.monotonic()
        process, _ = await self._world.start(name)
        if name == SCHEDULER:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while HELD not in (await get(f"{process.health_url}/metrics"))[1]:
                    await asyncio.sleep(POLL_S)
            await process.wait_ready(READY_TIMEOUT_S)
        return time.monotonic() - began

    async def round(self) -> Costs:
        """Measure one round of each sort of load."""
        return Costs(
            touch=await self._cost(self._touch, self._load.touched),
            end=await self._cost(self._end, self._load.ended),
            admit=await self._cost(self._admit, self._load.admitted),
        )

    async def _cost(self, act: Callable[[], Awaitable[None]], count: int) -> dict[str, float]:
        """Return the CPU that each process uses for one of so many things, in microseconds."""
        services = self._world.stack.services
        pids = {name: services[name].pid for name in (WATCHER, SCHEDULER)}
        await until_at_rest(pids, quiet_s=0.5)
        meter = self._world.meter()
        await act()
        await until_at_rest(pids, quiet_s=0.5)
        return {name: used / count * 1e6 for name, used in meter.used_s().items()}

    async def _touch(self) -> None:
        load = self._load
        for first in range(0, load.touched, self._living):
            count = min(self._living, load.touched - first)
            await self._world.change(
                LIVING, first=0, count=count, step=Step.TOUCHED, per_second=load.touched_per_second
            )
            await asyncio.sleep(count / load.touched_per_second)

    async def _end(self) -> None:
        load, first = self._load, self._ending
        self._ending += load.ended
        async with _Counted(self._world, EventType.COMPLETED, load.ended) as completed:
            await self._world.change(
                ENDING,
                first=first,
                count=load.ended,
                step=Step.SUCCEEDED,
                per_second=load.ended_per_second,
            )
            await completed.wait()

    async def _admit(self) -> None:
        load, first, shared = self._load, self._coming, document()
        self._coming += load.admitted
        async with _Counted(self._world, EventType.ADMITTED, load.admitted) as admitted:
            for number in range(first, self._coming):
                event = RunAccepted(status=accepted(COMING, number), document=shared)
                await store(self._bus, EventType.ACCEPTED, [event])
                await asyncio.sleep(1 / load.admitted_per_second)
            await admitted.wait()

    async def deadlines(self) -> list[float]:
        """Return how late abort commands arrive, in ms; deadlines pass one after the other."""
        load = self._load
        first = datetime.now(UTC) + timedelta(seconds=DEADLINES_START_S)
        moments = {
            number: first + timedelta(seconds=load.deadlines_within_s * number / load.deadlines)
            for number in range(min(load.deadlines, self._living))
        }
        due = {run_id(LIVING, number): at for number, at in moments.items()}
        late: dict[str, float] = {}
        done = asyncio.Event()

        async def on_command(msg: Msg) -> None:
            now = datetime.now(UTC)
            own_id = subjects.parse_command(msg.subject)[2]
            late.setdefault(own_id, (now - due[own_id]).total_seconds() * 1000)
            if len(late) == len(due):
                done.set()

        subscription = await self._bus.subscribe(subjects.command(subjects.ABORT), on_command)
        await seed_deadlines(self._bus, LIVING, moments)
        async with asyncio.timeout(COUNT_TIMEOUT_S):
            await done.wait()
        await self._bus.unsubscribe(subscription)
        await remove_deadlines(self._bus, LIVING, moments)
        return list(late.values())


class _Counted:
    """Counts events of one type as they are stored, within a block."""

    def __init__(self, world: World, event_type: EventType, count: int) -> None:
        self._bus = world.client.bus
        self._subject = subjects.events_of_type(event_type)
        self._left = count
        self._done = asyncio.Event()

    async def __aenter__(self) -> _Counted:
        self._subscription = await self._bus.subscribe(self._subject, self._on_event)
        await self._bus.ping()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._bus.unsubscribe(self._subscription)

    async def wait(self) -> None:
        """Wait until all have been stored."""
        async with asyncio.timeout(COUNT_TIMEOUT_S):
            await self._done.wait()

    async def _on_event(self, _msg: Msg) -> None:
        self._left -= 1
        if self._left == 0:
            self._done.set()


def _figures(size: str, found: Measured) -> list[Figure]:
    def figure(key: str, title: str, value: float, unit: str) -> Figure:
        return Figure(key=f"{key}_{size}", title=f"{found.title}: {title}", value=value, unit=unit)

    def cpu(key: str, title: str, values: Sequence[float]) -> Figure:
        return figure(key, title, statistics.median(values), "us CPU")

    figures = [figure("runs", "live runs", found.runs, "runs")]
    for name, short in ((WATCHER, "watcher"), (SCHEDULER, "scheduler")):
        figures += [
            figure(f"start_{short}", f"{short} ready", found.start_s[name], "s"),
            figure(f"rss_{short}", f"{short}'s memory", found.rss_mib[name], "MiB"),
            figure(f"peak_{short}", f"{short}'s peak", found.peak_mib[name], "MiB"),
            cpu(f"end_{short}", f"{short}, a run's end", _each(found, "end", name)),
            cpu(f"admit_{short}", f"{short}, an admission", _each(found, "admit", name)),
        ]
    figures.append(cpu("touch_watcher", "watcher, a pod's change", _each(found, "touch", WATCHER)))
    figures.append(cpu("end_server", "nats-server, a run's end", _each(found, "end", SERVER)))
    return figures + spread(f"late_{size}", f"{found.title}: deadline to AbortRun", found.late_ms)


def _each(found: Measured, what: str, process: str) -> list[float]:
    """Return what one sort of load cost a process, by round."""
    by_round: list[Mapping[str, float]] = [getattr(each, what) for each in found.rounds]
    return [costs[process] for costs in by_round]


# What should not grow: the figure's key, its title, the load and the process.
_GROWING = (
    ("touch_watcher", "watcher, a pod's change", "touch", WATCHER),
    ("end_watcher", "watcher, a run's end", "end", WATCHER),
    ("end_scheduler", "scheduler, a run's end", "end", SCHEDULER),
    ("end_server", "nats-server, a run's end", "end", SERVER),
    ("admit_scheduler", "scheduler, an admission", "admit", SCHEDULER),
)


def _growth(small: Measured, large: Measured, key: str, title: str) -> list[Figure]:
    """Return ratios, the median over the rounds for CPU."""
    found = [
        of_repeats(
            f"growth_{key}_{name}", f"{title}: {text}", _ratios(small, large, *what), "times"
        )
        for name, text, *what in _GROWING
    ]
    if key != WITH_FINISHED:
        return found
    for name, short in ((WATCHER, "watcher"), (SCHEDULER, "scheduler")):
        once = {
            f"start_{short}": (f"{short} ready", small.start_s[name], large.start_s[name]),
            f"rss_{short}": (f"{short}'s memory", small.rss_mib[name], large.rss_mib[name]),
        }
        found += [
            Figure(key=f"growth_{key}_{of}", title=f"{title}: {text}", value=b / a, unit="times")
            for of, (text, a, b) in once.items()
        ]
    return found


def _ratios(small: Measured, large: Measured, what: str, process: str) -> list[float]:
    before, after = _each(small, what, process), _each(large, what, process)
    return [b / a if a else 0.0 for a, b in zip(before, after, strict=True)]


def _memory_of_a_run(small: Measured, large: Measured) -> Figure:
    kib = (large.rss_mib[WATCHER] - small.rss_mib[WATCHER]) * 1024 / (large.runs - small.runs)
    title = "watcher's memory of a run with its pod"
    return Figure(key="memory_of_a_run", title=title, value=kib, unit="KiB")
