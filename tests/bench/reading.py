"""Watch events read per CPU second: the watcher's own path against kubernetes_asyncio's models.

Both read the same recorded stream from the same server, in one process, in turns. The own path is
the watcher's `PodWatch`: raw chunks, cut into lines, into Structs; once more with what the watcher
then does with each pod, up to a state.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from kubernetes_asyncio import client, config, watch

from bench.figures import Figure, Outcome, of_repeats
from bench.settings import ERRORS_ONLY, Setting
from bench.standin.pods import Pod as ShownPod
from bench.standin.pods import Step
from bench.synthetic import manifest_of
from bench.world import running_standin
from runbus.reading.objects import Pod
from runbus.runtime import kube
from runbus.runtime.clock import SystemClock
from runbus.runtime.config import KubeConfig
from runbus.state_watcher.tracking import Tracked
from runbus.state_watcher.watching import PodWatch

RECORDED = "kube_recorded/watch_pods.jsonl"
LIFE = (Step.BOUND, Step.RUNNING, Step.TOUCHED, Step.SUCCEEDED)
TIMEOUT_S = 120.0

Reader = Callable[[str, int], Awaitable[float]]


async def run(setting: Setting) -> Outcome:
    """Read each stream with each reader, in turns."""
    events = setting.pick(full=5000, quick=2000, smoke=60)
    repeats = setting.pick(full=5, quick=3, smoke=1)
    figures: list[Figure] = []
    sizes: dict[str, str] = {}
    for name, lines in _streams(events).items():
        path = setting.folder / f"{name}.jsonl"
        await asyncio.to_thread(path.write_bytes, b"".join(lines))
        sizes[f"stream {name}"] = (
            f"{len(lines)} events of {sum(map(len, lines)) / len(lines) / 1000:.1f} KB"
        )
        async with running_standin(setting.folder / name, "--replay", str(path)) as server:
            rates = await _rates(str(server.kubeconfig), name, len(lines), repeats)
        figures += _figures(name, rates)
    return Outcome(figures=tuple(figures), conditions=sizes | {"loop": "uvloop, for both"})


def _streams(events: int) -> dict[str, list[bytes]]:
    """Return lines of watches by name; the recorded one only where the test data is at hand."""
    found = {"synthetic": _synthetic(events)}
    root = os.environ.get("RUNBUS_TEST_DATA", "")
    if root and (Path(root) / RECORDED).exists():
        found["recorded"] = _recorded(Path(root) / RECORDED, events)
    return found


def _synthetic(events: int) -> list[bytes]:
    """Return the lives of pods with everything that a real API server and kubelet write."""
    lines: list[bytes] = []
    for number in range(-(-events // len(LIFE))):
        manifest = manifest_of("r", number)
        pod = ShownPod(manifest, "nlp", f"uid-{number}", "2026-11-01T10:00:00Z")
        for step in LIFE:
            pod.version = len(lines) + 2
            pod.take(step, "2026-11-01T10:00:01Z")
            lines.append(b'{"type":"MODIFIED","object":%b}\n' % pod.encoded())
    return lines[:events]


def _recorded(path: Path, events: int) -> list[bytes]:
    """Return a real API server's stream, over and over; bookmarks are left out."""
    found = [msgspec.json.decode(line) for line in path.read_bytes().splitlines() if line]
    pods = [each for each in found if each["type"] in {"ADDED", "MODIFIED"}]
    lines = [msgspec.json.encode(each) + b"\n" for each in pods]
    return (lines * -(-events // len(lines)))[:events]


async def _rates(
    kubeconfig: str, name: str, events: int, repeats: int
) -> Mapping[str, list[float]]:
    """Return events per CPU second of each reader and repeat, taken in turns."""
    readers: dict[str, Reader] = {"own": _read_own, "models": _read_models}
    if name == "synthetic":  # repeated, the recorded pods' versions are no news to a reader
        readers["state"] = _read_to_state
    rates: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(repeats):
        for name, read in readers.items():
            rates[name].append(events / await read(kubeconfig, events))
    return rates


def _figures(name: str, rates: Mapping[str, list[float]]) -> list[Figure]:
    ways = {"models": "Watch().stream, models", "own": "PodWatch", "state": "PodWatch, to a state"}
    figures = [
        of_repeats(f"{name}_{way}", f"{name}: {ways[way]}", found, "events/CPU s")
        for way, found in rates.items()
    ]
    for way in rates.keys() - {"models"}:
        ratios = [own / models for own, models in zip(rates[way], rates["models"], strict=True)]
        title = f"{name}: {ways[way]} over models"
        figures.append(of_repeats(f"{name}_{way}_ratio", title, ratios, "times"))
    return figures


class _Counting:
    """A sink that only counts."""

    def __init__(self, events: int) -> None:
        self._left = events
        self.done = asyncio.Event()

    def on_pod(self, _pod: Pod, _seen_at: datetime, _live: bool) -> None:
        self._left -= 1
        if self._left == 0:
            self.done.set()

    def on_pod_gone(self, pod: Pod, seen_at: datetime) -> None:
        self.on_pod(pod, seen_at, True)

    def on_list_begun(self, scope: str) -> int:
        """There is one, at the beginning."""
        return 1

    def on_list(self, scope: str, number: int) -> None:
        """The list is empty."""

    def on_reachable(self, scope: str, reachable: bool) -> None:
        """It always is."""


class _Reading(_Counting):
    """A sink that reads each pod to a state, as the watcher does."""

    def __init__(self, events: int) -> None:
        super().__init__(events)
        self._tracked: dict[str, Tracked] = {}

    def on_pod(self, pod: Pod, seen_at: datetime, live: bool) -> None:
        tracked = self._tracked.setdefault(pod.metadata.uid, Tracked())
        tracked.take_pod(pod, seen_at, live)
        super().on_pod(pod, seen_at, live)


async def _read_own(kubeconfig: str, events: int) -> float:
    return await _watched(kubeconfig, _Counting(events))


async def _read_to_state(kubeconfig: str, events: int) -> float:
    return await _watched(kubeconfig, _Reading(events))


async def _watched(kubeconfig: str, sink: _Counting) -> float:
    """Return the CPU seconds that the watcher's own path takes to fill a sink."""
    connection = await kube.connect(KubeConfig(kubeconfig=kubeconfig))
    watching = PodWatch(connection, "", "runbus.dev/shard", sink, SystemClock(), ERRORS_ONLY)
    try:
        before = time.process_time()
        async with asyncio.timeout(TIMEOUT_S), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(watching.run())
            await sink.done.wait()
            used_s = time.process_time() - before
            task.cancel()
    finally:
        await connection.close()
    return used_s


async def _read_models(kubeconfig: str, events: int) -> float:
    """Return the CPU seconds that kubernetes_asyncio takes, with its models."""
    configuration: Any = client.Configuration()
    await config.load_kube_config(config_file=kubeconfig, client_configuration=configuration)
    watcher = watch.Watch()
    left = events
    async with asyncio.timeout(TIMEOUT_S), client.ApiClient(configuration) as connection:
        api = client.CoreV1Api(connection)
        before = time.process_time()
        async for _event in watcher.stream(api.list_pod_for_all_namespaces, resource_version="1"):
            left -= 1
            if left == 0:
                break
        used_s = time.process_time() - before
        watcher.stop()
        await watcher.close()
    return used_s
