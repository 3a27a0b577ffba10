"""The whole system with live runs of which nothing is heard: its CPU should be as good as none."""

from __future__ import annotations

import asyncio

from bench.figures import Figure, Outcome
from bench.processes import memory
from bench.seeding import seed_live, until_sourced
from bench.settings import Setting
from bench.world import ABOUT, ALL, ClusterKind, running_world, until_at_rest

PREFIX = "q"
NOT_OURS = ("stand-in", "benchmark")


async def run(setting: Setting) -> Outcome:
    """Let the system stand for a while."""
    runs = setting.pick(full=1000, quick=1000, smoke=10)
    seconds = setting.pick(full=60.0, quick=10.0, smoke=0.5)
    async with running_world(setting.folder, services=()) as world:
        await world.control("/bench/seed", {"prefix": PREFIX, "count": runs})
        await seed_live(world.client.bus, PREFIX, 0, runs)
        await until_sourced(world.client.bus)
        for name in ALL:
            await world.start(name)
        pids = {each.name: each.pid for each in world.stack.services.values()}
        await until_at_rest(pids)
        meter = world.meter()
        await asyncio.sleep(seconds)
        used = meter.used_s()
        memories = {name: memory(pid).rss_mib for name, pid in pids.items()}
    ours = {name: used_s / seconds * 100 for name, used_s in used.items() if name not in NOT_OURS}
    figures = [
        Figure(key=f"cpu_{_key(name)}", title=f"CPU of {name}", value=value, unit="% of a core")
        for name, value in ours.items()
    ]
    total = sum(ours.values())
    figures.append(Figure(key="cpu", title="CPU of all", value=total, unit="% of a core"))
    figures += [
        Figure(key=f"rss_{_key(name)}", title=f"memory of {name}", value=value, unit="MiB")
        for name, value in memories.items()
    ]
    conditions = {
        "runs": f"{runs:,}, all running, for {seconds:g} s",
        "cluster": ABOUT[ClusterKind.STAND_IN],
    }
    return Outcome(figures=tuple(figures), conditions=conditions)


def _key(name: str) -> str:
    return name.replace("-", "_")
