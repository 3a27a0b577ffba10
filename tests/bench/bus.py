"""What a bus of three servers costs over one: latency, throughput, CPU; and what it is worth.

Two whole systems are up at once and take turns, so that a ratio says something on a machine whose
speed is not its own. Then a server is killed: of three the one that leads the events, of one the
only one, which is started again at once. Everything is on one machine, so that a network's time
between servers comes on top.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from statistics import median

import msgspec
from msgspec import Struct

from bench.figures import Figure, Outcome, of_repeats, quantile
from bench.runs import COMPLETED, job, telling
from bench.seeding import headers_of
from bench.settings import Setting
from bench.synthetic import PROJECT, accepted, document
from bench.throughput import PLAN, Measured, burst
from bench.world import ABOUT, READY_TIMEOUT_S, ClusterKind, World, running_world
from runbus.cli.stack.nats import BINARY, NatsProcess
from runbus.contracts import codec, subjects
from runbus.contracts.events import RunAccepted
from runbus.contracts.states import EventType
from runbus.contracts.streams import EVENTS
from runbus.sdk.bus import EXPECTED_SEQUENCE, MESSAGE_ID
from runbus.sdk.errors import BusError

ONE, THREE = 1, 3
NAMES = {ONE: "one", THREE: "three"}
IN_FLIGHT = 64
ASK_AGAIN_S = 0.02
BACK_TIMEOUT_S = 60.0
STREAM = "bench"


class Found(Struct):
    """What was measured of one system, by round."""

    latency_ms: list[float] = []
    publishes_per_s: list[float] = []
    bursts: list[Measured] = []
    accepted_s: list[float] = []
    completed_s: list[float] = []


async def run(setting: Setting) -> Outcome:
    """Measure both, in turns."""
    rounds = setting.pick(full=5, quick=3, smoke=1)
    events = setting.pick(full=2000, quick=1000, smoke=100)
    runs = setting.pick(full=1000, quick=500, smoke=10)
    kills = setting.pick(full=3, quick=2, smoke=1)
    found = {servers: Found() for servers in NAMES}
    async with AsyncExitStack() as worlds:
        benches: dict[int, _Bench] = {}
        for servers, name in NAMES.items():
            folder = setting.folder / name
            folder.mkdir()
            made = running_world(folder, bus_servers=servers)
            benches[servers] = _Bench(await worlds.enter_async_context(made))
            await benches[servers].begin()
        for number in range(rounds):
            setting.tell(f"bus: round {number + 1} of {rounds}")
            for servers, bench in benches.items():
                found[servers].latency_ms.append(await bench.latency_ms(events))
                found[servers].publishes_per_s.append(await bench.publishes_per_s(events))
                found[servers].bursts.append(await burst(bench.world, runs))
        for number in range(kills):
            setting.tell(f"bus: kill {number + 1} of {kills}")
            for servers, bench in benches.items():
                accepted_s, completed_s = await bench.kill()
                found[servers].accepted_s.append(accepted_s)
                found[servers].completed_s.append(completed_s)
    conditions = {
        "cluster": ABOUT[ClusterKind.STAND_IN],
        "bus": "one server, and three with three replicas of all streams, on the same cores",
        "load": f"{events} events with compare-and-set; {runs} runs at once; {rounds} rounds",
    }
    return Outcome(figures=tuple(_figures(found)), conditions=conditions)


class _Bench:
    """One system."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._bus = world.client.bus
        self._number = 0

    async def latency_ms(self, count: int) -> float:
        """Return how long an event takes to be stored, one after the other: the median."""
        took: list[float] = []
        for _ in range(count):
            began = time.perf_counter()
            await self._publish()
            took.append((time.perf_counter() - began) * 1000)
        return quantile(took, 0.5)

    async def publishes_per_s(self, count: int) -> float:
        """Return how many events are stored in a second, with many in flight."""
        left = iter(range(count))

        async def work() -> None:
            for _ in left:
                await self._publish()

        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(IN_FLIGHT):
                tasks.create_task(work())
        return count / (time.perf_counter() - began)

    async def begin(self) -> None:
        """Make a stream of the same sort as that of the events, which no service reads."""
        config = {
            "name": STREAM,
            "subjects": [f"{STREAM}.>"],
            "storage": "file",
            "num_replicas": len(self.world.stack.bus),
        }
        await self._bus.api(f"STREAM.CREATE.{STREAM}", config)

    async def _publish(self) -> None:
        """Store the first event of a run."""
        self._number += 1
        status = accepted("p", self._number)
        subject = f"{STREAM}.{status.run_id}"
        headers = headers_of(EventType.ACCEPTED, status) | {EXPECTED_SEQUENCE: "0"}
        body = codec.encode(RunAccepted(status=status, document=document()))
        await self._bus.publish(subject, body, headers)

    async def kill(self) -> tuple[float, float]:
        """Kill a server; return the seconds until a new run is accepted, and has completed."""
        server = await self._leader()
        async with telling(self.world) as story:
            began_at = time.time()
            server.kill()
            await server.wait()
            if len(self.world.stack.bus) == ONE:
                await server.start()
            once = secrets.token_hex(8)  # one that was stored and not answered is not stored again
            await _until_done(lambda: self._submit(once))
            await story.until_count(1, COMPLETED)
            (stored,) = story.stored.values()  # by the server's own clock
        if not server.is_running:
            await server.start()
        await server.wait_ready(READY_TIMEOUT_S)
        await _until_done(self._whole)
        return stored[EventType.ACCEPTED.value] - began_at, stored[COMPLETED] - began_at

    async def _leader(self) -> NatsProcess:
        servers = self.world.stack.bus
        if len(servers) == ONE:
            return servers[0]
        info = await self._bus.api(f"STREAM.INFO.{EVENTS}")
        return servers[int(info["cluster"]["leader"].rpartition("-")[2]) - 1]

    async def _submit(self, once: str) -> bool:
        body = msgspec.json.encode(job(PLAN))
        await self._bus.publish(subjects.submit(PROJECT), body, {MESSAGE_ID: once})
        return True

    async def _whole(self) -> bool:
        """Whether every server has the events again."""
        cluster = (await self._bus.api(f"STREAM.INFO.{EVENTS}")).get("cluster") or {}
        others = cluster.get("replicas") or []
        wanted = len(self.world.stack.bus) - 1
        return len(others) == wanted and all(each.get("current") for each in others)


async def _until_done(act: Callable[[], Awaitable[bool]]) -> None:
    """Do something again until the bus answers."""
    async with asyncio.timeout(BACK_TIMEOUT_S):
        while True:
            try:
                if await act():
                    return
            except BusError:
                pass
            await asyncio.sleep(ASK_AGAIN_S)


def _figures(found: dict[int, Found]) -> list[Figure]:
    rows: list[tuple[str, str, str, Callable[[Found], Sequence[float]]]] = [
        ("latency", "an event stored, one after the other", "ms", lambda f: f.latency_ms),
        ("publishes", f"events, {IN_FLIGHT} in flight", "1/s", lambda f: f.publishes_per_s),
        ("runs", "submit to completed", "runs/s", lambda f: [b.completed_per_s for b in f.bursts]),
        ("cpu", "CPU of the bus", "ms/run", lambda f: [_cpu_ms(b) for b in f.bursts]),
        ("accepted", "a server killed: a new run is accepted", "s", lambda f: f.accepted_s),
        ("completed", "a server killed: it has completed", "s", lambda f: f.completed_s),
    ]
    figures: list[Figure] = []
    for key, title, unit, values in rows:
        for servers, name in NAMES.items():
            text = f"{name} server{'s' if servers > 1 else ''}: {title}"
            figures.append(of_repeats(f"{key}_{name}", text, values(found[servers]), unit))
        times = median(values(found[THREE])) / median(values(found[ONE]))
        text = f"three over one: {title}"
        figures.append(Figure(key=f"{key}_ratio", title=text, value=times, unit="times"))
    return figures


def _cpu_ms(measured: Measured) -> float:
    return sum(ms for name, ms in measured.cpu_ms.items() if name.startswith(BINARY))
