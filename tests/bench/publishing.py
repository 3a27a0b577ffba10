"""Events stored with compare-and-set, per second and process: our own publisher and nats-py's.

All of them store the same events with the same headers, each the first of a new run, in turns:
`Bus.publish`, nats-py's `publish` and its `publish_async`; and `RunLog.publish`, which is
`Bus.publish` with the transition table, ids, trace and headers of an event.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TypeVar

from nats.js.client import JetStreamContext

from bench.figures import Figure, Outcome, of_repeats
from bench.processes import cpu_s
from bench.seeding import headers_of
from bench.settings import Setting
from bench.synthetic import accepted, document
from runbus.contracts import codec, subjects
from runbus.contracts.events import RunAccepted
from runbus.contracts.states import EventType
from runbus.contracts.transitions import Publisher
from runbus.runtime.clock import SystemClock
from runbus.runtime.runlog import RunLog
from runbus.sdk.bus import EXPECTED_SEQUENCE, EXPECTED_SUBJECT, Bus
from runbus.sdk.connecting import connect
from runbus.sdk.provision import provision
from support.stack import running_nats

WAYS = {
    "own": "Bus.publish",
    "run_log": "RunLog.publish",
    "nats_py": "nats-py publish",
    "nats_py_async": "nats-py publish_async",
}
Message = tuple[str, bytes, dict[str, str]]
T = TypeVar("T")


async def run(setting: Setting) -> Outcome:
    """Store events each way, in turns, at several numbers in flight."""
    events = setting.pick(full=5000, quick=2000, smoke=40)
    repeats = setting.pick(full=5, quick=3, smoke=1)
    windows = setting.pick(full=(1, 64, 256), quick=(64,), smoke=(64,))
    figures: list[Figure] = []
    size = ""
    async with running_nats(setting.folder) as nats:
        bus = await connect(nats.url, name="bench", attempts_max=40)
        try:
            await provision(bus)
            runs = _Runs(bus)
            size = f"{len(runs.message(0)[1])} bytes and {len(runs.message(0)[2])} headers"
            for window in windows:
                count = events if window > 1 else events // 5
                figures += await _at(runs, nats.pid, window, count, repeats)
        finally:
            await bus.close()
    return Outcome(figures=tuple(figures), conditions={"event": size, "loop": "uvloop"})


async def _at(runs: _Runs, server: int, window: int, events: int, repeats: int) -> list[Figure]:
    """Return the figures with so many events in flight."""
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    costs: dict[str, list[float]] = {way: [] for way in WAYS}
    server_costs: list[float] = []
    for _ in range(repeats):
        for way in WAYS:
            storing = runs.storing(way, events, window)
            before, server_before = time.process_time(), cpu_s(server)
            started = time.perf_counter()
            await storing()
            rates[way].append(events / (time.perf_counter() - started))
            costs[way].append((time.process_time() - before) / events * 1e6)
            server_costs.append((cpu_s(server) - server_before) / events * 1e6)
    figures = []
    for way, title in WAYS.items():
        named = f"{window} in flight: {title}"
        figures.append(of_repeats(f"rate_{way}_{window}", named, rates[way], "events/s"))
        figures.append(of_repeats(f"cost_{way}_{window}", f"{named}, CPU", costs[way], "us/event"))
    ratios = [theirs / own for theirs, own in zip(costs["nats_py"], costs["own"], strict=True)]
    title = f"{window} in flight: CPU of nats-py publish over Bus.publish"
    named = f"{window} in flight: nats-server, CPU"
    return [
        *figures,
        of_repeats(f"cost_server_{window}", named, server_costs, "us/event"),
        of_repeats(f"ratio_{window}", title, ratios, "times"),
    ]


class _Runs:
    """New runs, and how to store their first events. What is sent is made beforehand."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._run_log = RunLog(bus, Publisher.SPEC_VALIDATOR, SystemClock())
        self._count = 0
        self._document = document()

    def message(self, number: int) -> Message:
        """Return subject, body and headers of a run's first event."""
        event = self._event(number)
        status = event.status
        headers = headers_of(EventType.ACCEPTED, status)
        headers[EXPECTED_SEQUENCE] = "0"
        headers[EXPECTED_SUBJECT] = subjects.events_of_run(status.project, status.run_id)
        subject = subjects.event(status.project, status.run_id, status.shard, EventType.ACCEPTED)
        return subject, codec.encode(event), headers

    def storing(self, way: str, count: int, window: int) -> Callable[[], Awaitable[None]]:
        """Return what stores the first events of so many new runs, so many at once."""
        numbers = range(self._count, self._count + count)
        self._count += count
        native = self._bus.native()
        if way == "run_log":
            events = iter([self._event(number) for number in numbers])
            return partial(_at_once, self._store_event, events, window)
        messages = iter([self.message(number) for number in numbers])
        if way == "nats_py_async":
            jetstream = native.jetstream(publish_async_max_pending=window)
            return partial(_all_async, jetstream, messages)
        if way == "nats_py":
            return partial(_at_once, partial(_store_nats_py, native.jetstream()), messages, window)
        return partial(_at_once, self._store_own, messages, window)

    def _event(self, number: int) -> RunAccepted:
        return RunAccepted(status=accepted("p", number), document=self._document)

    async def _store_event(self, event: RunAccepted) -> None:
        await self._run_log.publish(EventType.ACCEPTED, event, None)

    async def _store_own(self, message: Message) -> None:
        await self._bus.publish(*message)


async def _store_nats_py(jetstream: JetStreamContext, message: Message) -> None:
    subject, body, headers = message
    await jetstream.publish(subject, body, headers=headers)


async def _all_async(jetstream: JetStreamContext, messages: Iterator[Message]) -> None:
    futures = [
        await jetstream.publish_async(subject, body, headers=headers)
        for subject, body, headers in messages
    ]
    await asyncio.gather(*futures)


async def _at_once(store: Callable[[T], Awaitable[None]], things: Iterator[T], window: int) -> None:
    """Store things with as many tasks as may be in flight, as a service's handlers do."""

    async def work() -> None:
        for each in things:
            await store(each)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(window):
            tasks.create_task(work())
