"""A whole system to break: its services behind proxies, a witness, and the judgement afterwards."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from runbus.cli.stack.service import SERVICES, ServiceProcess
from runbus.contracts import codec, subjects
from runbus.contracts.identity import run_id_from_key
from runbus.contracts.replies import DeadLetter
from runbus.contracts.status import RunStatus
from runbus.contracts.streams import CONSUMERS, DEADLETTERS, EVENTS
from runbus.contracts.transitions import Publisher
from runbus.reading.history import (
    Allowances,
    Backlog,
    ObjectLife,
    Request,
    StoredEvent,
    World,
    histories,
    run_key,
    stored_event,
)
from runbus.reading.invariants import check
from runbus.sdk.bus import StoredMessage
from runbus.sdk.errors import BusError
from runbus.sdk.follow import follow
from support.control_plane.plane import ControlPlane
from support.kube_proxies import KubeProxy, kube_proxy
from support.proxies import BusProxy, bus_proxy
from support.system import PROJECT, System, a_job, running_system
from support.witness import Witness, now

# Where a system can be broken.
LOCAL_CLUSTER, KUBERNETES = WORLDS = ("local cluster", "Kubernetes")

# A message that was in hand when its service was killed comes again after 30 s.
END_TIMEOUT_S = 180.0
READY_S = 120.0
SETTLE_S = 120.0
ASK_AGAIN_S = 0.25
KUBERNETES_SILENCE_S = 90.0  # it sends a bookmark each minute, and none where nothing changes
# Two cores, two systems at a time, tests beside: what the promise of a second is widened by.
ALLOWANCES = Allowances(late_s=1.0, slack_s=float(os.environ.get("RUNBUS_TEST_SLACK_S", "3")))


class Chaos(Struct):
    """A system, the proxies of its services by their names, and who looks on."""

    system: System
    witness: Witness
    bus: dict[str, BusProxy]
    kube: dict[str, KubeProxy]
    requests: list[Request]
    namespace: str = PROJECT

    @property
    def pods(self) -> str:
        """The path of the runs' pods."""
        return f"/api/v1/namespaces/{self.namespace}/pods"

    def process(self, name: str) -> ServiceProcess:
        """Return the process of a service."""
        return self.system.stack.services[name]

    async def submit(self, name: str, *, key: str | None = None, **settings: Any) -> str:
        """Submit a job until there is a verdict, which must be good; returns its run id."""
        key = key or f"key-of-{name}"
        document = a_job(name, **settings)
        async with asyncio.timeout(END_TIMEOUT_S):
            while True:
                try:
                    reply = await self.system.client.submit(document, key=key, timeout_s=5.0)
                    break
                except BusError:
                    await asyncio.sleep(ASK_AGAIN_S)
        assert reply.accepted, reply.violations
        self._note(run_key(reply.project, reply.run_id), key, document)
        return reply.run_id

    async def send(self, name: str, **settings: Any) -> str:
        """Store a submit command; its run id is `id_of(name)`."""
        sent = await self.system.client.send(a_job(name, **settings), key=f"key-of-{name}")
        self._note(run_key(sent.project, sent.run_id), f"key-of-{name}", a_job(name, **settings))
        return sent.run_id

    def _note(self, run: str, key: str, document: dict[str, Any]) -> None:
        digest = hashlib.sha256(msgspec.json.encode(document)).hexdigest()
        self.requests.append(Request(run=run, accepted=True, key=key, document_hash=digest))

    async def over(self, run_id: str) -> RunStatus:
        """Return the final status of a run, once it has one."""
        try:
            return await self.system.client.wait(PROJECT, run_id, timeout_s=END_TIMEOUT_S)
        except TimeoutError as error:
            told = f"run {run_id} has not ended: {await self.types(run_id)}, {self.lives(run_id)}"
            raise AssertionError(told) from error

    async def types(self, run_id: str) -> list[str]:
        """Return the types of a run's events, in order."""
        subject = subjects.events_of_run(PROJECT, run_id)
        return [event.event_type for event in await self._events(subject)]

    def lives(self, run_id: str) -> list[ObjectLife]:
        """Return the lives of a run's objects, as the witness saw them."""
        run = run_key(PROJECT, run_id)
        return [life for life in self.witness.lives.values() if life.run == run]

    @asynccontextmanager
    async def killed(self, name: str) -> AsyncIterator[None]:
        """Kill a service for the length of a block, which the witness learns of."""
        with self.witness.outage():
            async with self.system.killed(name, ready_s=READY_S):
                yield

    async def world(self, *, settled: bool) -> World:
        """Return all that can be known of the system now."""
        letters = await self._messages(DEADLETTERS, subjects.dead_letter())
        return World(
            now=now(),
            runs=histories(
                await self._events(subjects.events_of_project()), self.witness.lives.values()
            ),
            requests=tuple(self.requests),
            dead_letters=[codec.decode(DeadLetter, each.data) for each in letters],
            backlogs=await self._backlogs(),
            outages=tuple(self.witness.outages),
            allowances=ALLOWANCES,
            settled=settled,
        )

    async def breaches(self) -> list[str]:
        """Give everything its time to come to its end, then tell what should not be."""
        try:
            async with asyncio.timeout(SETTLE_S):
                while not await self._is_at_rest():
                    await asyncio.sleep(ASK_AGAIN_S)
        except TimeoutError:
            pass  # what has not come to its end is told as a breach
        world = await self.world(settled=True)
        assert world.runs, "nothing was there to judge"
        return [f"{each.invariant.value}: {each.run}: {each.text}" for each in check(world)]

    async def _is_at_rest(self) -> bool:
        records = await self.system.client.list_runs()
        return (
            all(record.status.state.is_final for record in records)
            and not any(backlog.waiting or backlog.in_hand for backlog in await self._backlogs())
            and all(life.over_at is not None for life in self.witness.lives.values())
        )

    async def _backlogs(self) -> list[Backlog]:
        found = []
        for spec in CONSUMERS:
            info = await self.system.client.bus.api(f"CONSUMER.INFO.{spec.stream}.{spec.name}")
            waiting, in_hand = info.get("num_pending", 0), info.get("num_ack_pending", 0)
            found.append(Backlog(consumer=spec.name, waiting=waiting, in_hand=in_hand))
        return found

    async def _events(self, subject: str) -> list[StoredEvent]:
        return [
            stored_event(each.subject, each.sequence, each.headers, each.data, each.stored_at)
            for each in await self._messages(EVENTS, subject)
        ]

    async def _messages(self, stream: str, subject: str) -> list[StoredMessage]:
        found: list[StoredMessage] = []
        async with follow(self.system.client.bus, stream, [subject]) as follower:
            while not follower.caught_up:
                batch = await follower.next_batch(timeout_s=1.0)
                if not batch:
                    await follower.ask_pending()
                found += batch
        return found


def id_of(name: str) -> str:
    """Return the run id of a job that `Chaos` submits under a name."""
    return run_id_from_key(PROJECT, f"key-of-{name}")


def event_of(run_id: str, event_type: str) -> str:
    """Return the pattern of a publish of an event."""
    return rf"^HPUB runbus\.v1\.run\.{PROJECT}\.{run_id}\.\w+\.{event_type} "


def command_on(run_id: str, verb: str) -> str:
    """Return the pattern of a publish of a command on a run (or of its evidence)."""
    return rf"^HPUB runbus\.v1\.{verb}\.{PROJECT}\.{run_id} "


@asynccontextmanager
async def running_chaos(
    folder: Path,
    *,
    proxied: Sequence[str] = SERVICES,
    cluster: Sequence[str] = (),
    replicas: int = 1,
    namespace: str = PROJECT,
    **options: Any,
) -> AsyncIterator[Chaos]:
    """Run a system for the length of a block.

    Args:
        folder: for everything.
        proxied: the services that get proxies.
        cluster: more options of the local cluster.
        replicas: of each service; those after the first are called `<service>-2` and so on.
        namespace: of the runs' pods, where `defaults` name another than the project's.
        options: as of `running_system`.

    """
    async with (
        running_system(folder, services=(), cluster=cluster, **options) as system,
        AsyncExitStack() as proxies,
        asyncio.TaskGroup() as tasks,
    ):
        chaos = Chaos(system, _witness(system, namespace), {}, {}, [], namespace)
        for name in proxied:
            chaos.bus[name] = await proxies.enter_async_context(bus_proxy(system.stack.nats_url))
            chaos.kube[name] = await proxies.enter_async_context(
                kube_proxy(system.kube_url, system.trust)
            )
        watching = tasks.create_task(chaos.witness.run())
        try:
            await _start_services(chaos, folder)
            await _start_replicas(chaos, replicas)
            yield chaos
        finally:
            watching.cancel()
            for bus in chaos.bus.values():
                bus.clear()
                bus.resume()
            await _stop_services(chaos)


def _witness(system: System, namespace: str) -> Witness:
    """Return who looks on: at all of a cluster of its own, else at the system's namespace."""
    if system.stack.cluster is not None:
        return Witness(system.kube_url, system.http)
    return Witness(system.kube_url, system.http, namespace, KUBERNETES_SILENCE_S)


async def _start_services(chaos: Chaos, folder: Path) -> None:
    stack = chaos.system.stack
    await chaos.witness.watching.wait()
    for name in SERVICES:
        service = stack.services[name] = stack.service(name)
        if name in chaos.bus:
            path = chaos.kube[name].kubeconfig(Path(stack.kubeconfig), folder)
            service.environment["RUNBUS_NATS_URL"] = chaos.bus[name].url
            service.environment["RUNBUS_KUBECONFIG"] = str(path)
        await service.start()
    for service in stack.services.values():
        await service.wait_ready(READY_S)


async def _start_replicas(chaos: Chaos, replicas: int) -> None:
    """Start the replicas after the first; schedulers among them only stand by."""
    stack = chaos.system.stack
    for number in range(2, replicas + 1):
        for name in SERVICES:
            process = stack.services[f"{name}-{number}"] = stack.service(name, str(number))
            await process.start()
    for name, process in stack.services.items():
        if not name.startswith(Publisher.SCHEDULER.value):
            await process.wait_ready(READY_S)


async def _stop_services(chaos: Chaos) -> None:
    async with asyncio.TaskGroup() as tasks:
        for service in chaos.system.stack.services.values():
            tasks.create_task(service.stop(READY_S))


@asynccontextmanager
async def chaos_on_kubernetes(
    folder: Path, plane: ControlPlane, namespace: str, **options: Any
) -> AsyncIterator[Chaos]:
    """Run a system on a real control plane for the length of a block; it has that namespace."""
    defaults = f"namespaces: {{{PROJECT}: {namespace}}}\nlimits: {{concurrent_runs: 500}}\n"
    options = {"kubeconfig": str(plane.kubeconfig()), "defaults": defaults} | options
    async with running_chaos(folder, namespace=namespace, **options) as chaos:
        yield chaos
