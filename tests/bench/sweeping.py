"""What it costs to forget a run that ended long ago, with more and more of them on the bus.

The scheduler's own sweep in this process, on a real nats-server. Neither may grow with what the
streams hold: a sweep that did would be the slower the more it is needed.
"""

from __future__ import annotations

import os

from bench.figures import Figure, Outcome
from bench.processes import cpu_s
from bench.seeding import seed_finished
from bench.settings import ERRORS_ONLY, Setting
from bench.synthetic import STARTED_AT
from bench.world import World, running_world
from runbus.runtime.clock import SystemClock
from runbus.scheduler.sweeping import Sweeper

SIZES = ("small", "large")


async def run(setting: Setting) -> Outcome:
    """Sweep as many runs from a small bus and from a large one."""
    counts = setting.pick(full=(5000, 100_000), quick=(1000, 10_000), smoke=(20, 40))
    swept = setting.pick(full=2000, quick=500, smoke=10)
    costs: dict[str, float] = {}
    figures: list[Figure] = []
    for size, count in zip(SIZES, counts, strict=True):
        setting.tell(f"sweeping: {count:,} finished runs")
        folder = setting.folder / size
        folder.mkdir()
        async with running_world(folder, services=()) as world:
            await seed_finished(world.client.bus, "f", count, ended_at=STARTED_AT)
            used_s = await _sweep(world, swept)
        title = f"{count:,} finished"
        for name, short in (("nats-server", "server"), ("scheduler", "scheduler")):
            cost = costs[f"{short}_{size}"] = used_s[name] / swept * 1e6
            key = f"sweep_{short}_{size}"
            figures.append(
                Figure(key=key, title=f"{title}: {name}, a run", value=cost, unit="us CPU")
            )
    ratio = costs["server_large"] / costs["server_small"] if costs["server_small"] else 0.0
    title = f"{counts[1]:,} over {counts[0]:,} finished: nats-server, a run swept"
    figures.append(Figure(key="growth_sweep_server", title=title, value=ratio, unit="times"))
    return Outcome(figures=tuple(figures), conditions={"swept": f"{swept:,} runs of two events"})


async def _sweep(world: World, count: int) -> dict[str, float]:
    """Sweep so many runs; return the CPU used in seconds."""
    pids = {"nats-server": world.stack.nats.pid, "scheduler": os.getpid()}
    sweeper = Sweeper(
        world.client.bus, SystemClock(), ERRORS_ONLY, retention_days=14, purged_max=count
    )
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    purged = await sweeper.sweep()
    assert purged == count, f"{purged} of {count} runs were old enough"
    return {name: cpu_s(pid) - before[name] for name, pid in pids.items()}
