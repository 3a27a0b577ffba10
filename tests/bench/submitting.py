"""From a submit to the pod's existence on an idle system, one run at a time.

By request and reply, and by a command that nobody answers; beside them a bare create of the same
pod by the same connection as the launcher's, in turns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from bench.figures import Figure, Outcome, quantile, spread
from bench.runs import FINAL, Seen, Story, job, seeing, submitted, telling
from bench.settings import Scale, Setting
from bench.synthetic import PROJECT, manifest_of, run_id
from bench.world import ABOUT, ClusterKind, World, running_world
from runbus.runtime import kube
from runbus.runtime.config import KubeConfig

PLAN = {"bound": 0.001, "running": 0.002, "succeeded": 0.003}
KEYS = {ClusterKind.STAND_IN: "standin", ClusterKind.LOCAL: "local"}
IDLE_S = 0.02
WARM_UP = 5


async def run(setting: Setting) -> Outcome:
    """Measure on both clusters."""
    counts = {ClusterKind.STAND_IN: setting.pick(full=200, quick=50, smoke=3)}
    if setting.scale is not Scale.SMOKE:
        counts[ClusterKind.LOCAL] = setting.pick(full=50, quick=20, smoke=0)
    figures: list[Figure] = []
    for kind, count in counts.items():
        setting.tell(f"submitting: {kind.value}")
        folder = setting.folder / KEYS[kind]
        folder.mkdir()
        async with running_world(folder, kind) as world:
            figures += await _measured(world, count)
    conditions = {kind.value: ABOUT[kind] for kind in counts}
    return Outcome(figures=tuple(figures), conditions=conditions | {"load": "one run at a time"})


async def _measured(world: World, count: int) -> list[Figure]:
    by_request: list[float] = []
    verdicts: list[float] = []
    by_command: list[float] = []
    bare: list[float] = []
    connection = await kube.connect(KubeConfig(kubeconfig=world.stack.kubeconfig))
    try:
        async with telling(world) as story, seeing(world) as seen:
            for number in range(-WARM_UP, count):
                request, verdict = await _by_request(world, story, seen)
                command = await _by_command(world, story, seen)
                create = await _bare(connection, number + WARM_UP)
                if number >= 0:
                    by_request.append(request)
                    verdicts.append(verdict)
                    by_command.append(command)
                    bare.append(create)
    finally:
        await connection.close()
    return _figures(world.kind, by_request, verdicts, by_command, bare)


def _figures(
    kind: ClusterKind,
    by_request: Sequence[float],
    verdicts: Sequence[float],
    by_command: Sequence[float],
    bare: Sequence[float],
) -> list[Figure]:
    key = KEYS[kind]
    ratio = Figure(
        key=f"ratio_{key}",
        title=f"{kind.value}: request to pod over a bare create, p50",
        value=quantile(by_request, 0.5) / quantile(bare, 0.5),
        unit="times",
    )
    return [
        *spread(f"request_{key}", f"{kind.value}: request to pod", by_request),
        *spread(f"verdict_{key}", f"{kind.value}: request to verdict", verdicts),
        *spread(f"command_{key}", f"{kind.value}: command to pod", by_command),
        *spread(f"bare_{key}", f"{kind.value}: a bare create", bare),
        ratio,
    ]


async def _by_request(world: World, story: Story, seen: Seen) -> tuple[float, float]:
    """Return ms to the pod and to the verdict."""
    sent_at = time.time()
    own_id = await submitted(world, job(PLAN))
    verdict_at = time.time()
    await story.until([own_id], *FINAL)
    created_at = (await seen.until([own_id], "created"))[own_id]["created"]
    await asyncio.sleep(IDLE_S)
    return (created_at - sent_at) * 1000, (verdict_at - sent_at) * 1000


async def _by_command(world: World, story: Story, seen: Seen) -> float:
    """Return ms to the pod."""
    sent_at = time.time()
    sent = await world.client.send(job(PLAN), project=PROJECT)
    await story.until([sent.run_id], *FINAL)
    created_at = (await seen.until([sent.run_id], "created"))[sent.run_id]["created"]
    await asyncio.sleep(IDLE_S)
    return (created_at - sent_at) * 1000


async def _bare(connection: kube.Kube, number: int) -> float:
    """Return ms of a create that no service sees: without the run's labels."""
    manifest = manifest_of("b", number)
    manifest["metadata"]["labels"] = {}
    manifest["metadata"]["name"] = f"bare-{run_id('b', number)}"
    started = time.perf_counter()
    await connection.request("POST", f"/api/v1/namespaces/{PROJECT}/pods", body=manifest)
    took_ms = (time.perf_counter() - started) * 1000
    await asyncio.sleep(IDLE_S)
    return took_ms
