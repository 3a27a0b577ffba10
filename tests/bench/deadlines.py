"""From a deadline to the pod's DELETE, from there to `aborted`, from Succeeded to `completed`.

Single: one stuck run and one that completes, again and again, far enough apart. At once: 200 runs
get stuck at the same moment and pass the same deadline, while others complete, spread over the
whole wave. All five services, as they are started by `runbus up`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.figures import Figure, Outcome, spread
from bench.runs import ABORTED, COMPLETED, Moments, Story, job, seeing, submitted, telling
from bench.settings import Setting
from bench.submitting import KEYS
from bench.world import ABOUT, ClusterKind, World, running_world
from runbus.contracts.states import EventType

LIMIT_S = 1
STUCK = EventType.IMAGE_PULL_BACKOFF.value
MISSING = "missing/*"
LOCAL_OPTIONS = (f"--missing-images={MISSING}", "--pull-backoff-initial-s=1")
# On two cores a wave of processes must not stand in the way of what is measured.
LOCAL_APART_S = 0.5
SUBMITTED_AT_ONCE = 32
SETTLE_S = 2.0
MEANWHILE_S = 3.0


async def run(setting: Setting) -> Outcome:
    """Measure on both clusters."""
    singles = setting.pick(full=200, quick=40, smoke=3)
    waves = setting.pick(full=3, quick=1, smoke=1)
    width = setting.pick(full=200, quick=200, smoke=5)
    locals_ = setting.pick(full=40, quick=10, smoke=2)
    figures: list[Figure] = []
    setting.tell("deadlines: stand-in")
    async with running_world(_made(setting, ClusterKind.STAND_IN)) as world:
        figures += await _single(world, singles, apart_s=0.1)
        figures += await _at_once(world, waves, width)
    setting.tell("deadlines: local cluster")
    folder = _made(setting, ClusterKind.LOCAL)
    async with running_world(folder, ClusterKind.LOCAL, options=LOCAL_OPTIONS) as world:
        figures += await _single(world, locals_, apart_s=LOCAL_APART_S)
    conditions = {kind.value: ABOUT[kind] for kind in ClusterKind}
    conditions["limit"] = f"image_pull_backoff: {LIMIT_S}s, counted from the event that reports it"
    conditions["stand-in's deletion"] = "confirmed after 20 ms"
    return Outcome(figures=tuple(figures), conditions=conditions)


def _made(setting: Setting, kind: ClusterKind) -> Path:
    folder = setting.folder / KEYS[kind]
    folder.mkdir()
    return folder


async def _single(world: World, count: int, *, apart_s: float) -> list[Figure]:
    """Have runs get stuck and complete, one after the other."""
    stuck: list[str] = []
    good: list[str] = []
    async with telling(world) as story, seeing(world) as seen:
        for _ in range(count):
            stuck.append(await submitted(world, _stuck_job(0.002)))
            await asyncio.sleep(apart_s / 2)
            good.append(await submitted(world, _good_job(0.004)))
            await asyncio.sleep(apart_s / 2)
        await story.until(stuck, ABORTED)
        await story.until(good, COMPLETED)
        await seen.until(good, "succeeded")
        moments = await seen.until(stuck, "gone")
    key, title = f"single_{KEYS[world.kind]}", f"{world.kind.value}, single ({count})"
    return _figures(key, title, story, moments, stuck, good)


async def _at_once(world: World, waves: int, width: int) -> list[Figure]:
    """Have many runs get stuck at once, and others complete meanwhile."""
    stuck: list[str] = []
    good: list[str] = []
    all_deleted_s: list[float] = []
    async with telling(world) as story, seeing(world) as seen:
        for _ in range(waves):
            stuck_at = time.time() + width * 0.01 + 1.0
            passes_at = stuck_at + LIMIT_S
            wave = await _submitted([_stuck_job(stuck_at)] * width, world)
            others = max(1, width // 10)
            ends = [passes_at + MEANWHILE_S * number / others for number in range(others)]
            meanwhile = await _submitted([_good_job(at) for at in ends], world)
            await story.until(wave, ABORTED)
            await story.until(meanwhile, COMPLETED)
            moments = await seen.until(wave, "gone")
            due = _deadlines(story, wave)
            last = max(moments[each]["deleted"] for each in wave)
            all_deleted_s.append(last - min(due.values()))
            stuck += wave
            good += meanwhile
            await asyncio.sleep(SETTLE_S)
    title = f"stand-in, {width} at once"
    figures = _figures("wave", title, story, await seen.moments(), stuck, good)
    worst = Figure(
        key="wave_all_deleted",
        title=f"{title}: first deadline to the last DELETE",
        value=max(all_deleted_s),
        unit="s",
    )
    return [*figures, worst]


async def _submitted(documents: Iterable[Mapping[str, Any]], world: World) -> list[str]:
    """Submit documents, some at once; return the run ids."""
    waiting = iter(documents)
    run_ids: list[str] = []

    async def work() -> None:
        for document in waiting:
            run_ids.append(await submitted(world, document))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(SUBMITTED_AT_ONCE):
            tasks.create_task(work())
    return run_ids


def _stuck_job(at: float) -> dict[str, Any]:
    """Return a run whose image cannot be pulled, and that may not wait for long."""
    limits = {"image_pull_backoff": f"{LIMIT_S}s"}
    return job({"bound": 0.001, "image": at}, image="missing/x:1", state_thresholds=limits)


def _good_job(at: float) -> dict[str, Any]:
    return job({"bound": 0.001, "running": 0.002, "succeeded": at})


def _figures(
    key: str,
    title: str,
    story: Story,
    moments: Moments,
    stuck: Iterable[str],
    good: Iterable[str],
) -> list[Figure]:
    due = _deadlines(story, stuck)
    aborting = {each: story.stored[each][EventType.ABORTING.value] for each in due}
    deleted = {each: moments[each]["deleted"] for each in due}
    aborted_ms = [(story.stored[each][ABORTED] - moments[each]["gone"]) * 1000 for each in due]
    completed_ms = [
        (story.stored[each][COMPLETED] - moments[each]["succeeded"]) * 1000 for each in good
    ]
    return [
        *spread(f"{key}_aborting", f"{title}: deadline to aborting", _since(due, aborting)),
        *spread(f"{key}_delete", f"{title}: deadline to DELETE", _since(due, deleted)),
        *spread(f"{key}_aborted", f"{title}: pod gone to aborted", aborted_ms),
        *spread(f"{key}_completed", f"{title}: Succeeded to completed", completed_ms),
    ]


def _deadlines(story: Story, run_ids: Iterable[str]) -> dict[str, float]:
    """Return each run's deadline, as the event says that reports the state."""
    found = {each: story.statuses[each][STUCK].deadline for each in run_ids}
    return {each: at.timestamp() for each, at in found.items() if at is not None}


def _since(before: Mapping[str, float], after: Mapping[str, float]) -> list[float]:
    return [(after[each] - before[each]) * 1000 for each in before]
