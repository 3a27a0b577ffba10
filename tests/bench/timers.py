"""Lateness of the work queue's alarms with many armed: the watcher's timers by themselves.

All but a thousand are set for a day that is far away; the thousand ring within some seconds. Then
all of them ring within some seconds. The watcher's whole way from a deadline to its command is
measured by `live`.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from datetime import datetime, timedelta

from bench.figures import Figure, Outcome, spread
from bench.settings import ERRORS_ONLY, Setting
from runbus.runtime.clock import SystemClock
from runbus.runtime.workqueue import WorkQueue

SIZES = ("small", "middle", "large")
FAR = timedelta(days=1)
START = timedelta(seconds=0.5)
WORKERS = 64


async def run(setting: Setting) -> Outcome:
    """Arm alarms and note how late they ring."""
    counts = setting.pick(full=(1000, 10_000, 100_000), quick=(1000, 10_000), smoke=(20, 40))
    ringing = setting.pick(full=1000, quick=500, smoke=10)
    window_s = setting.pick(full=5.0, quick=2.0, smoke=0.2)
    all_within_s = setting.pick(full=10.0, quick=5.0, smoke=0.2)
    figures: list[Figure] = []
    for size, armed in zip(SIZES, counts, strict=False):
        setting.tell(f"timers: {armed:,} armed")
        late = await _lateness(armed, min(armed, ringing), window_s)
        figures += spread(f"lateness_{size}", f"{armed:,} armed, {len(late):,} ring", late)
        late = await _lateness(armed, armed, all_within_s)
        title = f"{armed:,} armed, all ring within {all_within_s:g} s"
        figures += spread(f"all_{size}", title, late)
        figures.append(
            Figure(
                key=f"memory_{size}",
                title=f"{armed:,} armed: memory of an alarm",
                value=_bytes_an_alarm(armed),
                unit="bytes",
            )
        )
    return Outcome(figures=tuple(figures), conditions={"handler": "notes the time and returns"})


async def _lateness(armed: int, ringing: int, window_s: float) -> list[float]:
    """Return the lateness in ms of alarms spread over a window, among all that are armed."""
    clock = SystemClock()
    queue = WorkQueue(clock, ERRORS_ONLY)
    due: dict[str, datetime] = {}
    late: list[float] = []
    stopping = asyncio.Event()

    async def handle(key: str) -> None:
        late.append((clock.now() - due[key]).total_seconds() * 1000)
        if len(late) == ringing:
            stopping.set()

    for number in range(ringing, armed):
        queue.set_alarm(f"nlp/far{number:09d}", clock.now() + FAR)
    first = clock.now() + START + timedelta(microseconds=ringing * 5)  # arming takes a while
    for number in range(ringing):
        key = f"nlp/near{number:08d}"
        due[key] = first + timedelta(seconds=window_s * number / ringing)
        queue.set_alarm(key, due[key])
    async with asyncio.timeout(window_s + 60):
        await queue.run(handle, stopping, workers=WORKERS)
    return late


def _bytes_an_alarm(armed: int) -> float:
    """Return what an alarm costs beside its key."""
    queue = WorkQueue(SystemClock(), ERRORS_ONLY)
    keys = [f"nlp/{number:012d}" for number in range(armed)]
    now = datetime.now().astimezone()
    gc.collect()
    tracemalloc.start()
    for number, key in enumerate(keys):
        queue.set_alarm(key, now + timedelta(seconds=number))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used / armed
