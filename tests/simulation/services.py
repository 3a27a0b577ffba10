"""The five services as simulated processes: their own wiring, on a simulated bus and cluster.

A process can be killed (its connections are cut, then it is cancelled, so that nothing it still
does reaches anybody), frozen and thawed, asked to stop, and it is started again after it ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from runbus.aborter.__main__ import run as run_aborter
from runbus.aborter.config import AborterConfig
from runbus.contracts.transitions import Publisher
from runbus.pod_launcher.__main__ import run as run_launcher
from runbus.pod_launcher.config import LauncherConfig
from runbus.runtime.clock import Clock
from runbus.runtime.config import KubeConfig, ServiceConfig
from runbus.runtime.deadletters import DeadLetters
from runbus.runtime.health import Health
from runbus.runtime.kube import Kube
from runbus.runtime.metrics import Metrics
from runbus.runtime.runlog import RunLog
from runbus.runtime.service import Service, live
from runbus.scheduler.__main__ import run as run_scheduler
from runbus.scheduler.config import SchedulerConfig
from runbus.sdk.bus import Bus
from runbus.spec_validator.__main__ import run as run_validator
from runbus.spec_validator.config import ValidatorConfig
from runbus.state_watcher.__main__ import run as run_watcher
from runbus.state_watcher.config import WatcherConfig
from simulation.bus.links import RECONNECT_S, Link
from simulation.bus.server import SimServer
from simulation.cluster.server import SimCluster
from simulation.cluster.session import Session, kube_of
from simulation.loop import Process, VirtualClock, VirtualLoop
from simulation.story import Story

RESTART_S = 0.5
KILL_WITHIN_S = 5.0
Run = Callable[[Service[Any]], Awaitable[None]]
# The process, the subject, the headers: told when a service means to send, not when it arrives.
OnPublish = Callable[[str, str, Mapping[str, str]], None]


class Wiring(Struct, frozen=True, kw_only=True):
    """How one service is put together. Planted bugs replace parts of it."""

    publisher: Publisher
    config: ServiceConfig
    run: Run
    make_kube: Callable[[Session], Kube] = kube_of
    make_bus: Callable[[Link], Bus] = lambda link: Bus(link.client.native())
    make_run_log: Callable[[Bus, Publisher, Clock, Metrics], RunLog] = RunLog
    make_service: Callable[..., Service[Any]] = Service


def all_five(*, defaults_file: str = "", unreachable_force_after_s: float = 300.0) -> list[Wiring]:
    """Return the services as they are."""
    return [
        Wiring(
            publisher=Publisher.SPEC_VALIDATOR,
            config=ValidatorConfig(defaults_file=defaults_file),
            run=run_validator,
        ),
        Wiring(
            publisher=Publisher.SCHEDULER,
            config=SchedulerConfig(defaults_file=defaults_file),
            run=run_scheduler,
        ),
        Wiring(publisher=Publisher.POD_LAUNCHER, config=LauncherConfig(), run=run_launcher),
        Wiring(
            publisher=Publisher.STATE_WATCHER,
            config=WatcherConfig(
                workers=4,
                unpacked_max=1,
                unreachable_force_after_s=unreachable_force_after_s,
            ),
            run=run_watcher,
        ),
        Wiring(
            publisher=Publisher.ABORTER,
            config=AborterConfig(unreachable_force_after_s=unreachable_force_after_s),
            run=run_aborter,
        ),
    ]


class SimService:
    """One replica of one service."""

    def __init__(
        self,
        name: str,
        wiring: Wiring,
        loop: VirtualLoop,
        server: SimServer,
        cluster: SimCluster,
        story: Story,
    ) -> None:
        self.name = name
        self.wiring = wiring
        self._loop = loop
        self._server = server
        self._cluster = cluster
        self._story = story
        self._process: Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._link: Link | None = None
        self._session: Session | None = None
        self._stopping: asyncio.Event | None = None
        self._starts = 0
        self.is_wanted = True
        self.on_publish: OnPublish = lambda _process, _subject, _headers: None
        self._graves: list[asyncio.Task[None]] = []

    @property
    def is_up(self) -> bool:
        """Whether its process is there, frozen or not."""
        return self._process is not None

    @property
    def is_frozen(self) -> bool:
        """Whether its process stands still."""
        return self._process is not None and self._process.is_frozen

    @property
    def link(self) -> Link | None:
        """Its connection to the bus."""
        return self._link

    def start(self) -> None:
        """Start its process, unless it is there."""
        if self._process is not None or not self.is_wanted:
            return
        self._starts += 1
        process = self._process = Process(f"{self.name}.{self._starts}")
        self._task = self._loop.create_task(self._live(process), context=process.context)

    def kill(self) -> None:
        """End its process as SIGKILL does."""
        process, task = self._process, self._task
        if process is None or task is None:
            return
        process.is_dead = True
        if self._link is not None:
            self._link.cut()
        if self._session is not None:
            self._session.cut()
        if process.is_frozen:
            self._loop.thaw(process)
        task.cancel()
        self._graves.append(task)
        self._process = self._task = None

    async def kill_at(self, number: int) -> None:
        """Kill it as it sends its n-th message or request from now on: that one still arrives.

        Where it sends too little, it is killed after a while.
        """
        sent = 0
        killed = asyncio.Event()

        def on_send() -> None:
            nonlocal sent
            sent += 1
            if sent == number:
                self._loop.in_world(self._loop.time(), self._kill_and_tell, killed)

        for connection in (self._link, self._session):
            if connection is not None:
                connection.on_send = on_send
        try:
            async with asyncio.timeout(KILL_WITHIN_S):
                await killed.wait()
        except TimeoutError:
            self.kill()

    def _kill_and_tell(self, killed: asyncio.Event) -> None:
        self.kill()
        killed.set()

    def freeze(self) -> None:
        """Have its process stand still, as SIGSTOP does."""
        if self._process is not None:
            self._process.is_frozen = True

    def thaw(self) -> None:
        """Let it go on."""
        if self._process is not None and self._process.is_frozen:
            self._loop.thaw(self._process)

    def stop(self) -> None:
        """Ask it to stop, as SIGTERM does."""
        if self._stopping is not None:
            self._loop.call_soon(self._stopping.set)

    async def ended(self) -> None:
        """Wait until nothing of it is left."""
        tasks = [*self._graves, *([self._task] if self._task is not None else [])]
        for task in tasks:
            try:
                await task
            except asyncio.CancelledError:
                continue

    async def _live(self, process: Process) -> None:
        try:
            exit_code = await self._serve()
        except Exception as error:  # noqa: BLE001 - a traceback ends the process; judged at the end
            if not process.is_dead:
                self._server.problems.append(f"{self.name} crashed: {error!r}")
            exit_code = 1
        if process.is_dead:
            return
        self._story.tell("", f"{self.name} ended with exit code {exit_code}")
        if self._session is not None:
            self._session.cut()
        self._process = self._task = self._stopping = None
        if self.is_wanted:  # the platform starts it again
            self._loop.in_world(self._loop.time() + RESTART_S, self.start)

    async def _serve(self) -> int:
        wiring = self.wiring
        unique = f"{self.name}.{self._starts}"
        buses: list[Bus] = []

        def on_reconnected() -> None:
            for each in buses:
                each.generation += 1

        link = self._link = self._server.connect(unique, on_reconnected)
        link.client.on_publish = partial(self.on_publish, unique)
        bus = wiring.make_bus(link)
        buses.append(bus)
        session = self._session = Session(self._cluster, self.name)
        clock = VirtualClock(self._loop)
        log = self._story.log(self.name)
        metrics = Metrics()
        run_log = wiring.make_run_log(bus, wiring.publisher, clock, metrics)
        self._stopping = asyncio.Event()

        async def connect_kube(_config: KubeConfig) -> Kube:
            return wiring.make_kube(session)

        service = wiring.make_service(
            publisher=wiring.publisher,
            config=wiring.config,
            bus=bus,
            clock=clock,
            log=log,
            health=Health(clock),
            run_log=run_log,
            dead_letters=DeadLetters(bus, run_log, wiring.publisher, clock),
            stopping=self._stopping,
            connect_kube=connect_kube,
            metrics=metrics,
            random_bytes=self._server.random.randbytes,
        )
        await bus.open()
        while not link.is_up:
            await asyncio.sleep(RECONNECT_S)
        try:
            return await live(service, wiring.run)
        finally:
            await bus.close()
