"""What live runs cost: starts, memory, CPU per event and lateness, with more and more of them.

Synthetic runs stand on the bus and in the stand-in as if they had been submitted; state-watcher
and scheduler are started on them, and measured while pods change, runs end, runs are admitted and
deadlines pass. Nothing may grow with the runs that are over, and little with those that live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from msgspec import Struct
from nats.aio.msg import Msg

from bench.figures import Figure, Outcome, spread
from bench.processes import memory
from bench.seeding import seed_finished, seed_live, store, until_sourced
from bench.settings import Setting
from bench.standin.pods import Step
from bench.synthetic import (
    accepted,
    document,
    in_attempt,
    run_id,
    with_running_deadline,
)
from bench.world import ABOUT, ClusterKind, World, running_world, until_at_rest
from runbus.contracts import subjects
from runbus.contracts.events import RunAccepted, RunDeadlineChanged
from runbus.contracts.states import EventType, RunState
from runbus.contracts.transitions import Publisher

WATCHER, SCHEDULER = Publisher.STATE_WATCHER.value, Publisher.SCHEDULER.value
SERVER = "nats-server"
LIVING, ENDING, COMING = "l", "e", "a"  # prefixes of run ids
SIZES = ("small", "middle", "large")
COUNT_TIMEOUT_S = 180.0
DEADLINES_START_S = 1.0


class Load(Struct, frozen=True, kw_only=True):
    """What is done to a system of each size."""

    touched: int
    touched_per_second: float
    ended: int
    ended_per_second: float
    admitted: int
    admitted_per_second: float
    deadlines: int
    deadlines_within_s: float


FULL = Load(
    touched=6000,
    touched_per_second=1500,
    ended=1000,
    ended_per_second=150,
    admitted=600,
    admitted_per_second=100,
    deadlines=1000,
    deadlines_within_s=10,
)
SMOKE = Load(
    touched=20,
    touched_per_second=100,
    ended=5,
    ended_per_second=50,
    admitted=5,
    admitted_per_second=50,
    deadlines=5,
    deadlines_within_s=0.5,
)


class Measured(Struct, frozen=True, kw_only=True):
    """One system: how many live runs, and what they cost."""

    title: str
    runs: int
    start_s: Mapping[str, float]
    rss_mib: Mapping[str, float]
    peak_mib: Mapping[str, float]
    touch_us: float
    end_us: Mapping[str, float]
    admit_us: Mapping[str, float]
    late_ms: list[float]


async def run(setting: Setting) -> Outcome:
    """Measure small, small with many finished runs, middle and large."""
    counts = setting.pick(full=(1000, 10_000, 100_000), quick=(1000, 10_000), smoke=(20, 40))
    finished = setting.pick(full=100_000, quick=10_000, smoke=20)
    load = setting.pick(full=FULL, quick=FULL, smoke=SMOKE)
    found: dict[str, Measured] = {}
    async with running_world(setting.folder, services=()) as world:
        bench = _Bench(world, load)
        for size, count in zip(SIZES, counts, strict=False):
            setting.tell(f"live: {count:,} live runs")
            await bench.grow_to(count)
            found[size] = await bench.measure(f"{count:,} live", count)
            if size == "small":
                setting.tell(f"live: and {finished:,} finished ones")
                await seed_finished(world.client.bus, "f", finished)
                title = f"{count:,} live, {finished:,} finished"
                found["finished"] = await bench.measure(title, count)
    figures = [figure for size, each in found.items() for figure in _figures(size, each)]
    figures += _growth(found["small"], found["finished"], "finished", "many finished over none")
    last = SIZES[len(counts) - 1]
    times = f"{counts[-1]:,} over {counts[0]:,} live"
    figures += _growth(found["small"], found[last], "live", times)
    figures.append(_memory_of_a_run(found["small"], found[last]))
    return Outcome(figures=tuple(figures), conditions={"cluster": ABOUT[ClusterKind.STAND_IN]})


class _Bench:
    """One world that grows."""

    def __init__(self, world: World, load: Load) -> None:
        self._world = world
        self._bus = world.client.bus
        self._load = load
        self._living = self._ending = self._coming = 0

    async def grow_to(self, count: int) -> None:
        """Have so many living runs."""
        more = count - self._living
        await self._world.control("/bench/seed", {"prefix": LIVING, "count": more})
        await seed_live(self._bus, LIVING, self._living, more)
        self._living = count

    async def measure(self, title: str, runs: int) -> Measured:
        """Start watcher and scheduler, measure them under each sort of load, and stop them."""
        await self._world.control("/bench/seed", {"prefix": ENDING, "count": self._load.ended})
        await seed_live(self._bus, ENDING, self._ending, self._load.ended)
        await until_sourced(self._bus)
        start_s, pids = {}, {}
        for name in (WATCHER, SCHEDULER):
            process, start_s[name] = await self._world.start(name)
            pids[name] = process.pid
        await until_at_rest(pids)
        memories = {name: memory(pid) for name, pid in pids.items()}
        touch = await self._cost(self._touch, self._load.touched)
        end = await self._cost(self._end, self._load.ended)
        admit = await self._cost(self._admit, self._load.admitted)
        late_ms = await self._deadlines()
        for name in pids:
            await self._world.stack.services[name].stop(30.0)
        return Measured(
            title=title,
            runs=runs,
            start_s=start_s,
            rss_mib={name: each.rss_mib for name, each in memories.items()},
            peak_mib={name: each.peak_mib for name, each in memories.items()},
            touch_us=touch[WATCHER],
            end_us=end,
            admit_us=admit,
            late_ms=late_ms,
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

    async def _deadlines(self) -> list[float]:
        """Return how late abort commands arrive, in ms; deadlines pass one after the other."""
        load = self._load
        first = datetime.now(UTC) + timedelta(seconds=DEADLINES_START_S)
        due: dict[str, datetime] = {}
        events = []
        for number in range(min(load.deadlines, self._living)):
            at = first + timedelta(seconds=load.deadlines_within_s * number / load.deadlines)
            due[run_id(LIVING, number)] = at
            running = in_attempt(accepted(LIVING, number), RunState.RUNNING)
            events.append(RunDeadlineChanged(status=with_running_deadline(running, at)))
        late: dict[str, float] = {}
        done = asyncio.Event()

        async def on_command(msg: Msg) -> None:
            now = datetime.now(UTC)
            own_id = subjects.parse_command(msg.subject)[2]
            late.setdefault(own_id, (now - due[own_id]).total_seconds() * 1000)
            if len(late) == len(due):
                done.set()

        subscription = await self._bus.subscribe(subjects.command(subjects.ABORT), on_command)
        await store(self._bus, EventType.DEADLINE_CHANGED, events)
        async with asyncio.timeout(COUNT_TIMEOUT_S):
            await done.wait()
        await self._bus.unsubscribe(subscription)
        await self._undo_deadlines()
        return list(late.values())

    async def _undo_deadlines(self) -> None:
        """Put the runs back as they were, so that nothing is asked for again."""
        statuses = [
            in_attempt(accepted(LIVING, number), RunState.RUNNING)
            for number in range(min(self._load.deadlines, self._living))
        ]
        events = [RunDeadlineChanged(status=each) for each in statuses]
        await store(self._bus, EventType.DEADLINE_CHANGED, events)


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

    figures = [figure("runs", "live runs", found.runs, "runs")]
    for name, short in ((WATCHER, "watcher"), (SCHEDULER, "scheduler")):
        end, admit = found.end_us[name], found.admit_us[name]
        figures += [
            figure(f"start_{short}", f"{short} ready", found.start_s[name], "s"),
            figure(f"rss_{short}", f"{short}'s memory", found.rss_mib[name], "MiB"),
            figure(f"peak_{short}", f"{short}'s peak", found.peak_mib[name], "MiB"),
            figure(f"end_{short}", f"{short}, a run's end", end, "us CPU"),
            figure(f"admit_{short}", f"{short}, an admission", admit, "us CPU"),
        ]
    end = found.end_us[SERVER]
    figures.append(figure("touch_watcher", "watcher, a pod's change", found.touch_us, "us CPU"))
    figures.append(figure("end_server", "nats-server, a run's end", end, "us CPU"))
    return figures + spread(f"late_{size}", f"{found.title}: deadline to AbortRun", found.late_ms)


def _growth(small: Measured, large: Measured, key: str, title: str) -> list[Figure]:
    """Return ratios: what should not grow."""
    pairs: dict[str, tuple[str, float, float]] = {
        "touch_watcher": ("watcher, a pod's change", small.touch_us, large.touch_us),
        "end_watcher": ("watcher, a run's end", small.end_us[WATCHER], large.end_us[WATCHER]),
        "end_scheduler": (
            "scheduler, a run's end",
            small.end_us[SCHEDULER],
            large.end_us[SCHEDULER],
        ),
        "end_server": ("nats-server, a run's end", small.end_us[SERVER], large.end_us[SERVER]),
        "admit_scheduler": (
            "scheduler, an admission",
            small.admit_us[SCHEDULER],
            large.admit_us[SCHEDULER],
        ),
    }
    if key == "finished":
        for name, short in ((WATCHER, "watcher"), (SCHEDULER, "scheduler")):
            start = (small.start_s[name], large.start_s[name])
            pairs[f"start_{short}"] = (f"{short} ready", *start)
            pairs[f"rss_{short}"] = (f"{short}'s memory", small.rss_mib[name], large.rss_mib[name])
    return [
        Figure(
            key=f"growth_{key}_{name}",
            title=f"{title}: {what}",
            value=after / before if before else 0.0,
            unit="times",
        )
        for name, (what, before, after) in pairs.items()
    ]


def _memory_of_a_run(small: Measured, large: Measured) -> Figure:
    kib = (large.rss_mib[WATCHER] - small.rss_mib[WATCHER]) * 1024 / (large.runs - small.runs)
    title = "watcher's memory of a run with its pod"
    return Figure(key="memory_of_a_run", title=title, value=kib, unit="KiB")
