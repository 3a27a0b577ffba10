"""Runs per second from submit to pod and to completed, and what a run costs each process.

All submit commands are sent as fast as the bus takes them, by one client on the same cores; then
nothing is done but wait. Pods are bound, run and succeed within 50 ms on the stand-in; on the
local cluster each is a process.
"""

from __future__ import annotations

import time

from msgspec import Struct

from bench.figures import Figure, Outcome, of_repeats
from bench.runs import COMPLETED, Story, job, seeing, submit_at_once, telling
from bench.settings import Scale, Setting
from bench.submitting import KEYS
from bench.world import ABOUT, ClusterKind, World, running_world, until_at_rest

PLAN = {"bound": 0.001, "running": 0.002, "succeeded": 0.05}
SHORT = {"stand-in": "cluster", "local cluster": "cluster"}


class Measured(Struct, frozen=True, kw_only=True):
    """One burst of runs."""

    pods_per_s: float
    completed_per_s: float
    events_per_run: float
    cpu_ms: dict[str, float]


async def run(setting: Setting) -> Outcome:
    """Measure bursts on both clusters."""
    counts = {ClusterKind.STAND_IN: setting.pick(full=3000, quick=1000, smoke=10)}
    repeats = {ClusterKind.STAND_IN: setting.pick(full=3, quick=2, smoke=1), ClusterKind.LOCAL: 1}
    if setting.scale is not Scale.SMOKE:
        counts[ClusterKind.LOCAL] = setting.pick(full=300, quick=100, smoke=0)
    figures: list[Figure] = []
    for kind, count in counts.items():
        setting.tell(f"throughput: {count} runs on the {kind.value}")
        folder = setting.folder / KEYS[kind]
        folder.mkdir()
        async with running_world(folder, kind) as world:
            found = [await burst(world, count) for _ in range(repeats[kind])]
        figures += _figures(kind, found)
    conditions = {kind.value: f"{counts[kind]} runs at once; {ABOUT[kind]}" for kind in counts}
    return Outcome(figures=tuple(figures), conditions=conditions)


async def burst(world: World, count: int) -> Measured:
    """Submit so many runs at once, and measure until all have completed."""
    services = {each.name: each.pid for each in world.stack.services.values()}
    await until_at_rest(services, quiet_s=0.5)
    async with telling(world) as story, seeing(world) as seen:
        known = set(await seen.moments())
        meter = world.meter()
        started_at = time.time()
        await submit_at_once(world, job(PLAN), count)
        await story.until_count(count, COMPLETED)
        used = meter.used_s()
        moments = await seen.moments()
    created = [found["created"] for own_id, found in moments.items() if own_id not in known]
    completed = [found[COMPLETED] for found in story.stored.values()]
    assert len(created) == len(completed) == count, f"{len(created)} pods of {count} runs"
    return Measured(
        pods_per_s=count / (max(created) - started_at),
        completed_per_s=count / (max(completed) - started_at),
        events_per_run=_events(story) / count,
        cpu_ms={name: used_s / count * 1000 for name, used_s in used.items()},
    )


def _events(story: Story) -> int:
    return sum(len(found) for found in story.stored.values())


def _figures(kind: ClusterKind, found: list[Measured]) -> list[Figure]:
    key, name = KEYS[kind], kind.value
    figures = [
        of_repeats(
            f"pods_{key}", f"{name}: submit to pod", [each.pods_per_s for each in found], "runs/s"
        ),
        of_repeats(
            f"completed_{key}",
            f"{name}: submit to completed",
            [each.completed_per_s for each in found],
            "runs/s",
        ),
        of_repeats(
            f"events_{key}", f"{name}: events", [each.events_per_run for each in found], "a run"
        ),
    ]
    for process in found[0].cpu_ms:
        short = SHORT.get(process, process).replace("-", "_")
        title = f"{name}: CPU of {process}"
        values = [each.cpu_ms[process] for each in found]
        figures.append(of_repeats(f"cpu_{short}_{key}", title, values, "ms/run"))
    totals = [sum(each.cpu_ms.values()) for each in found]
    return [*figures, of_repeats(f"cpu_{key}", f"{name}: CPU of all", totals, "ms/run")]
