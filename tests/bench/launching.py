"""Pods a second that come out of the whole pipeline, over what a bare client creates.

On Kubernetes' own API server, in turns: a raw aiohttp client posts the very objects that the
launcher would have made (one pod: a job has no other), their bodies made before the clock starts;
then as many runs are submitted at once and go through every service; then runs are let go that
stand in the queue, which leaves admission, launch and watch. All of it shares the cores: who needs
more CPU for a pod makes fewer of them. So each process's CPU is told, and the ratio that it
allows where nothing else limits. Last, both are held to a rate by `kube_qps`, as the owner of an
API server may ask for: who keeps up with it is not the limit.

There is no node, and nobody who schedules: pods stay Pending, which is all that the watcher needs
to store a state, and nobody else uses the cores. Between the turns every pod goes, and every run
ends. A service computes on one core at most: what the busiest could do there is told, too, which is
where the pipeline would stand if nobody had to share.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from bench.figures import Figure, Outcome, of_repeats
from bench.runs import job, submit_at_once
from bench.settings import Setting
from bench.synthetic import PROJECT, run_id
from bench.world import ABOUT, ClusterKind, World, running_world, until_at_rest
from runbus.cli.stack.service import SERVICES
from runbus.contracts import codec, subjects
from runbus.contracts.events import RunAdmitted
from runbus.contracts.identity import shard_of
from runbus.contracts.states import EventType
from runbus.contracts.streams import EVENTS
from runbus.contracts.transitions import Publisher
from runbus.pod_launcher.manifest import render
from runbus.runtime.token_bucket import TokenBucket
from runbus.sdk.defaults import newest_defaults, store_defaults

NAMESPACE = "bare"  # of the bare client's pods: the watcher does not see them
CONCURRENCIES = (16, 32, 64, 128)
# Four times what a kube-scheduler asks for at most by default, and so the pods that it can bind.
LIMIT_QPS = 200.0
LIMIT_BURST = 20  # a tenth of a second that a process stood still is made up for
COUNT_POLL_S = 0.05
TIMEOUT_S = 300.0
CPU_TICK_S = 0.01  # less cannot be read
OPEN, CLOSED = b"{}\n", b"limits: {concurrent_runs: 0}\n"
AUTHOR = "bench"
LAUNCHER = Publisher.POD_LAUNCHER.value
STOP_S = 12.0
TITLES = {
    "bare": "bare client",
    "whole": "whole pipeline",
    "queued": "let go from the queue",
    "limited_bare": f"bare client, {LIMIT_QPS:g} requests/s",
    "limited_whole": f"whole pipeline, kube_qps {LIMIT_QPS:g}",
}


class Turn(Struct, frozen=True, kw_only=True):
    """What so many pods took: seconds, and seconds of CPU by process."""

    pods: int
    took_s: float
    cpu_s: Mapping[str, float]

    @property
    def rate(self) -> float:
        """Pods a second."""
        return self.pods / self.took_s

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of CPU a pod, of all processes."""
        return sum(self.cpu_s.values()) / self.pods * 1000


Turns = Mapping[str, Sequence[Turn]]


async def run(setting: Setting) -> Outcome:
    """Take turns at full speed, and at a limited one."""
    pods = setting.pick(full=2000, quick=1000, smoke=10)
    repeats = setting.pick(full=5, quick=2, smoke=1)
    kind = ClusterKind.CONTROL_PLANE
    environment = {"RUNBUS_NAMESPACES": PROJECT}
    async with running_world(setting.folder, kind, environment=environment) as world:
        setting.tell("launching: warming up")
        bench = _Bench(world)
        await bench.prepare(max(pods // 4, 1))
        takes = {"bare": bench.bare, "whole": bench.whole, "queued": bench.queued}
        turns = await _taken(setting, takes, repeats, pods)
        await bench.limit_rate()
        takes = {"limited_bare": bench.bare, "limited_whole": bench.whole}
        turns |= await _taken(setting, takes, repeats, max(pods // 2, 1))
    conditions = {
        "cluster": ABOUT[kind],
        "turns": f"{repeats} of {pods} pods; of half as many where limited",
        "bare client": f"aiohttp, {bench.concurrency} at once (the best of {CONCURRENCIES})",
    }
    return Outcome(figures=tuple(_figures(turns)), conditions=conditions)


async def _taken(
    setting: Setting,
    takes: Mapping[str, Callable[[int], Awaitable[Turn]]],
    repeats: int,
    pods: int,
) -> dict[str, list[Turn]]:
    turns: dict[str, list[Turn]] = {key: [] for key in takes}
    for number in range(repeats):
        setting.tell(f"launching: round {number + 1} of {repeats}, {pods} pods a turn")
        for key, take in takes.items():
            turns[key].append(await take(pods))
    return turns


class _Bench:
    """The system, and the bare client beside it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bucket: TokenBucket | None = None
        self._admitted: RunAdmitted | None = None
        self._bodies = 0
        self.concurrency = CONCURRENCIES[-1]

    async def prepare(self, pods: int) -> None:
        """Warm everything up, learn what the launcher makes and how the client is fastest."""
        for name in (PROJECT, NAMESPACE):
            body = {"metadata": {"name": name}}
            await self._ask("POST", "/api/v1/namespaces", msgspec.json.encode(body))
        await self.whole(pods)
        self._admitted = await self._newest_admitted()
        rates: dict[int, float] = {}
        for each in CONCURRENCIES:
            self.concurrency = each
            rates[each] = (await self.bare(pods)).rate
        self.concurrency = max(rates, key=lambda each: rates[each])

    async def limit_rate(self) -> None:
        """Hold the launcher and the bare client to a rate from now on."""
        qps = {"RUNBUS_KUBE_QPS": f"{LIMIT_QPS:g}", "RUNBUS_KUBE_BURST": str(LIMIT_BURST)}
        await self._world.stack.services[LAUNCHER].stop(STOP_S)
        await self._world.start(LAUNCHER, qps)
        self._bucket = TokenBucket(LIMIT_QPS, LIMIT_BURST, time.monotonic())

    async def bare(self, pods: int) -> Turn:
        """Have the bare client create pods."""
        bodies = iter([self._body() for _ in range(pods)])
        path = f"/api/v1/namespaces/{NAMESPACE}/pods"

        async def create() -> None:
            for body in bodies:
                if self._bucket is not None:
                    await asyncio.sleep(self._bucket.take(time.monotonic(), TIMEOUT_S))
                await self._ask("POST", path, body)

        async def work() -> None:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self.concurrency):
                    tasks.create_task(create())

        return await self._turn(NAMESPACE, pods, work)

    async def whole(self, pods: int) -> Turn:
        """Submit runs."""
        return await self._turn(PROJECT, pods, lambda: submit_at_once(self._world, job({}), pods))

    async def queued(self, pods: int) -> Turn:
        """Let runs go that stand in the queue."""
        await self._limit(CLOSED)
        await submit_at_once(self._world, job({}), pods)
        await self._until_at_rest()
        return await self._turn(PROJECT, pods, lambda: self._limit(OPEN))

    async def _turn(self, namespace: str, pods: int, work: Callable[[], Awaitable[None]]) -> Turn:
        """Measure from the start of some work to so many pods; then have all of them gone.

        Nothing is under way before, and nothing after.
        """
        meter, started = self._world.meter(), time.monotonic()
        async with asyncio.timeout(TIMEOUT_S):
            await work()
            while await self._count(namespace) < pods:
                await asyncio.sleep(COUNT_POLL_S)
        took_s = time.monotonic() - started
        await self._until_at_rest()  # what is stored of the pods after that is part of their cost
        turn = Turn(pods=pods, took_s=took_s, cpu_s=meter.used_s())
        await self._clear(namespace)
        return turn

    async def _until_at_rest(self) -> None:
        services = {each.name: each.pid for each in self._world.stack.services.values()}
        await until_at_rest(services, quiet_s=0.5)

    async def _count(self, namespace: str) -> int:
        """Return how many pods there are; the API server is asked to show one of them."""
        answer = await self._ask("GET", f"/api/v1/namespaces/{namespace}/pods?limit=1")
        found = msgspec.json.decode(answer)
        return len(found["items"]) + int(found["metadata"].get("remainingItemCount", 0))

    async def _clear(self, namespace: str) -> None:
        body = msgspec.json.encode({"gracePeriodSeconds": 0})
        await self._ask("DELETE", f"/api/v1/namespaces/{namespace}/pods", body)
        if namespace == PROJECT:
            await self._until_at_rest()
        left = await self._count(namespace)
        assert left == 0, f"{left} pods are left in {namespace}, or were created again"

    async def _limit(self, content: bytes) -> None:
        """Put other defaults in force."""
        bus = self._world.client.bus
        newest = await newest_defaults(bus)
        after = newest.revision if newest is not None else 0
        await store_defaults(bus, content, author=AUTHOR, after=after)

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        headers = {"Content-Type": "application/json"}
        url = self._world.kube_url + path
        async with self._world.http.request(method, url, data=body, headers=headers) as answer:
            content = await answer.read()
            assert answer.status < 300, f"{answer.status}: {content.decode(errors='replace')}"
            return content

    async def _newest_admitted(self) -> RunAdmitted:
        events = subjects.events_of_type(EventType.ADMITTED)
        message = await self._world.client.bus.last_message(EVENTS, events)
        assert message is not None, "nothing has been admitted"
        found = codec.decode_event(EventType.ADMITTED, message.data)
        assert isinstance(found, RunAdmitted)
        return found

    def _body(self) -> bytes:
        """Return the next pod, as the launcher makes it of the document that was admitted."""
        assert self._admitted is not None
        self._bodies += 1
        own_id = run_id("b", self._bodies)
        (pod,) = render(
            self._admitted.document,
            run_id=own_id,
            attempt=1,
            shard=shard_of(own_id),
            namespace=NAMESPACE,
            platform=self._admitted.platform,
        )
        return msgspec.json.encode(pod)


def _figures(turns: Turns) -> Iterator[Figure]:
    for key, found in turns.items():
        yield of_repeats(key, TITLES[key], [each.rate for each in found], "pods/s")
    for key, over, under in (
        ("ratio", "whole", "bare"),
        ("ratio_queued", "queued", "bare"),
        ("ratio_limited", "limited_whole", "limited_bare"),
    ):
        pairs = zip(turns[over], turns[under], strict=True)
        rates = [a.rate / b.rate for a, b in pairs]
        yield of_repeats(key, f"{TITLES[over]} over {TITLES[under]}", rates, "times")
    pairs = zip(turns["bare"], turns["whole"], strict=True)
    reachable = [bare.cpu_ms / whole.cpu_ms for bare, whole in pairs]
    title = "whole over bare, as far as CPU allows where all share it"
    yield of_repeats("ratio_by_cpu", title, reachable, "times")
    title = "what the busiest service could do on a core of its own"
    yield of_repeats("core_each", title, [_on_own_core(each) for each in turns["whole"]], "pods/s")
    for key in ("bare", "whole", "queued"):
        yield from _cpu_figures(key, turns[key])


def _on_own_core(turn: Turn) -> float:
    """Return the pods a second of the service that needs most CPU for one."""
    return turn.pods / max(CPU_TICK_S, *(turn.cpu_s[name] for name in SERVICES))


def _cpu_figures(key: str, turns: Sequence[Turn]) -> Iterator[Figure]:
    title = TITLES[key]
    for name in turns[0].cpu_s:
        values = [each.cpu_s[name] / each.pods * 1000 for each in turns]
        short = name.replace("-", "_")
        yield of_repeats(f"cpu_{key}_{short}", f"{title}: CPU of {name}", values, "ms/pod")
    totals = [each.cpu_ms for each in turns]
    yield of_repeats(f"cpu_{key}", f"{title}: CPU of all", totals, "ms/pod")
