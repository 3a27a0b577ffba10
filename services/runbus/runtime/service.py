"""The life of a service process: settings, logs, bus, health, work, and a clean end.

SIGTERM sets `stopping`: the service stops pulling, finishes what is in hand, lets its leases go
and exits within `drain_s`. A lost bus connection that is closed for good, or a FatalError, ends
the process with exit code 1; the platform starts it again.
"""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import uvloop
from msgspec import Struct, field

from runbus.contracts.identities import inbox_prefix
from runbus.contracts.streams import consumer
from runbus.contracts.transitions import Publisher
from runbus.runtime import config as settings
from runbus.runtime import kube, logs, tracing
from runbus.runtime.clock import Clock, SystemClock
from runbus.runtime.config import ConfigError, KubeConfig, ServiceConfig
from runbus.runtime.deadletters import DeadLetters
from runbus.runtime.defaults_feed import DefaultsFeed
from runbus.runtime.errors import FatalError
from runbus.runtime.health import Health
from runbus.runtime.inbox import Inbox
from runbus.runtime.kube import Kube
from runbus.runtime.kube_reach import look_after
from runbus.runtime.leases import Lease
from runbus.runtime.logs import Log
from runbus.runtime.metrics import Metrics
from runbus.runtime.pull import Puller
from runbus.runtime.refusals import BusRefusals, KubeRefusals
from runbus.runtime.runlog import RunLog
from runbus.runtime.settings import read_defaults
from runbus.runtime.tracing import Tracing
from runbus.runtime.workqueue import WorkQueue
from runbus.sdk.bus import Bus
from runbus.sdk.connecting import connect
from runbus.sdk.credentials import CredentialsError, credentials
from runbus.sdk.errors import BusError, BusUnreachableError

T = TypeVar("T", bound=ServiceConfig)

CONNECT_ATTEMPTS_MAX = 240  # a minute: the bus may start after the service
CANCEL_AGAIN_S = 0.2
PING_EVERY_S = 2.0
SILENT_READY_S = 5.0
SILENT_FATAL_S = 60.0
# Objects more than there were, and then collections of each generation before one of the next.
COLLECT_AFTER = (5000, 10, 10)


class Service(Struct, Generic[T]):
    """What a service's own `run` gets: its settings and everything connected.

    Kubernetes is connected to by those that need it, with `kubernetes`.
    """

    publisher: Publisher
    config: T
    bus: Bus
    clock: Clock
    log: Log
    health: Health
    run_log: RunLog
    dead_letters: DeadLetters
    stopping: asyncio.Event
    connect_kube: Callable[[KubeConfig], Awaitable[Kube]] = kube.connect
    metrics: Metrics = field(default_factory=Metrics)
    tracing: Tracing = field(default_factory=Tracing)
    random_bytes: Callable[[int], bytes] = secrets.token_bytes

    def inbox(self, consumer_name: str, *, in_hand_max: int) -> Inbox:
        """Return the inbox of one durable consumer, with its readiness check."""
        spec = consumer(consumer_name)
        puller = Puller(self.bus, spec.stream, spec.name, in_hand_max=in_hand_max)
        self.health.add(f"consumer {spec.name}", puller.ready_problem)
        self.metrics.in_hand.labels(spec.name).set_function(lambda: puller.in_hand)
        self.metrics.waiting.labels(spec.name).set_function(lambda: puller.waiting)
        return Inbox(
            self.bus,
            puller,
            self.log,
            self.clock,
            set_aside=self.dead_letters.set_aside,
            metrics=self.metrics,
            tracing=self.tracing,
        )

    @asynccontextmanager
    async def kubernetes(self, config: KubeConfig) -> AsyncIterator[Kube]:
        """Connect to Kubernetes for the length of a block; not ready while it cannot be asked.

        Raises:
            ConfigError: there is no usable configuration.

        """
        connection = await self.connect_kube(config)
        self.health.add("kubernetes", connection.reach.ready_problem)
        about = "The API server's clock less ours; 0 while they agree"
        self.metrics.gauge(
            "kube_clock_offset_seconds", about, lambda: connection.clock_offset.total_seconds()
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                looking = tasks.create_task(look_after(connection, self.log))
                yield connection
                looking.cancel()
        finally:
            await connection.close()

    def lease(self) -> Lease:
        """Return the lease that makes this process the one active of its replicas."""
        owner = self.config.instance or self.bus.new_inbox()
        lease = Lease(self.bus, self.publisher.value, owner, self.clock, self.log)
        self.health.add("lease", lease.ready_problem)
        self.metrics.gauges(
            "lease_held",
            "1 on the active replica",
            "lease",
            lambda: {self.publisher.value: float(lease.is_held)},
        )
        return lease

    def defaults(self, path: str) -> DefaultsFeed:
        """Return the operator's defaults: those of the bus, else of the file at `path`.

        Raises:
            ConfigError: the file cannot be used.

        """
        file = read_defaults(path) if path else None
        feed = DefaultsFeed(self.bus, file, self.log, self.metrics.defaults_rejected)
        self.health.add("defaults", feed.ready_problem)
        about = "Revision of the bucket that is in force; 0: none"
        self.metrics.gauge("defaults_revision", about, lambda: float(feed.revision))
        return feed

    def queue(self) -> WorkQueue:
        """Return the queue of what has to be looked at, now or at a time."""
        queue = WorkQueue(self.clock, self.log, self.metrics)
        self.metrics.gauge("queue_length", "Keys that wait for a worker", lambda: len(queue))
        self.metrics.gauge("timers_armed", "Keys with a timer", lambda: queue.alarms)
        return queue


def main(
    publisher: Publisher, config_type: type[T], run: Callable[[Service[T]], Awaitable[None]]
) -> None:
    """Run a service until SIGTERM; exits the process.

    Args:
        publisher: which service this is.
        config_type: its settings.
        run: its work; returns when `stopping` is set and everything in hand is done.

    """
    try:
        config = settings.load(config_type, os.environ)
        identity = credentials(
            user=config.nats_user,
            password_file=config.nats_password_file,
            credentials_file=config.nats_credentials,
            ca_file=config.nats_ca_file,
            cert_file=config.nats_cert_file,
            key_file=config.nats_key_file,
        )
    except (ConfigError, CredentialsError) as error:
        sys.stderr.write(f"{publisher.value}: settings that cannot be used:\n{error}\n")
        sys.exit(2)
    identity.setdefault("inbox_prefix", inbox_prefix(publisher.value))
    sys.exit(uvloop.run(_live(publisher, config, identity, run)))


async def _live(
    publisher: Publisher,
    config: T,
    identity: Mapping[str, Any],
    run: Callable[[Service[T]], Awaitable[None]],
) -> int:
    log = logs.set_up(publisher.value, config.log_level, config.instance)
    clock = SystemClock()
    metrics = Metrics()
    refusals = BusRefusals(clock, log, metrics.refused)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    bus: Bus | None = None
    try:
        connecting = _connect(publisher, config, identity, log, metrics, refusals)
        bus = await _unless(stopping, connecting)
    except* BusUnreachableError as group:
        log.error("cannot reach the bus", error=_first(group))
    if bus is None:
        log.info("stopped")
        return 0 if stopping.is_set() else 1
    try:
        return await _serve(publisher, config, run, bus, clock, log, metrics, refusals, stopping)
    finally:
        await bus.close()
        log.info("stopped")


async def _unless(stopping: asyncio.Event, connect_it: Coroutine[Any, Any, Bus]) -> Bus | None:
    """Connect to the bus, which may take a minute; None where SIGTERM comes first."""
    async with asyncio.TaskGroup() as tasks:
        connecting = tasks.create_task(connect_it)
        stopped = tasks.create_task(stopping.wait())
        await asyncio.wait({connecting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        while not connecting.done():  # the client's `wait_for` can swallow one (Python 3.11)
            connecting.cancel()
            await asyncio.wait({connecting}, timeout=CANCEL_AGAIN_S)
    return None if connecting.cancelled() else connecting.result()


async def _connect(
    publisher: Publisher,
    config: ServiceConfig,
    identity: Mapping[str, Any],
    log: Log,
    metrics: Metrics,
    refusals: BusRefusals,
) -> Bus:
    def notice(kind: str, text: str) -> None:
        if kind == "refused":
            refusals.refused(text)
            return
        log.warning("bus connection", kind=kind, text=text)
        if kind == "reconnected":
            metrics.reconnects.inc()
            refusals.on_reconnect()

    return await connect(
        config.nats_url,
        name=publisher.value,
        notice=notice,
        attempts_max=CONNECT_ATTEMPTS_MAX,
        **identity,
    )


async def _serve(
    publisher: Publisher,
    config: T,
    run: Callable[[Service[T]], Awaitable[None]],
    bus: Bus,
    clock: Clock,
    log: Log,
    metrics: Metrics,
    refusals: BusRefusals,
    stopping: asyncio.Event,
) -> int:
    metrics.gauge("bus_connected", "1 while the socket is up", lambda: float(bus.is_connected))
    traces = await asyncio.to_thread(
        tracing.set_up, publisher.value, config.instance, os.environ, log
    )
    run_log = RunLog(bus, publisher, clock, metrics, traces)
    health = Health(clock, metrics)
    health.add("permissions", refusals.ready_problem)
    forbidden = KubeRefusals(clock, log, metrics.kube_refused)
    health.add("permissions on kubernetes", forbidden.ready_problem)
    service = Service(
        publisher=publisher,
        config=config,
        bus=bus,
        clock=clock,
        log=log,
        health=health,
        run_log=run_log,
        dead_letters=DeadLetters(bus, run_log, publisher, clock),
        stopping=stopping,
        connect_kube=lambda config: kube.connect(config, metrics, traces, forbidden.refused),
        metrics=metrics,
        tracing=traces,
    )
    _collect_less()
    async with health.serve(config.health_host, config.health_port) as port:
        if config.health_file:
            await asyncio.to_thread(_write_address, config, port)
        log.info("started", health_port=port, bus=bus.url)
        try:
            return await live(service, run)
        finally:
            await traces.close()


def _collect_less() -> None:
    """Look for cycles less often, and never again among what the start has made.

    With Python's own settings that took 5 to 12 % of a service's CPU under load, in pauses of up
    to 40 ms: a deadline must not wait that long.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


async def live(service: Service[T], run: Callable[[Service[T]], Awaitable[None]]) -> int:
    """Run a service that is connected to its end; return its exit code."""
    exit_code = 0
    try:
        async with asyncio.TaskGroup() as tasks:
            beat = tasks.create_task(service.health.beat())
            watchdog = tasks.create_task(_watch_bus(service))
            work = tasks.create_task(_work(service, run))
            await work
            beat.cancel()
            watchdog.cancel()
    except* ConfigError as group:
        service.log.error("settings that cannot be used", error=_first(group))
        exit_code = 2
    except* (FatalError, BusError) as group:
        service.log.error("cannot go on", error=_first(group))
        exit_code = 1
    return exit_code


def _write_address(config: ServiceConfig, port: int) -> None:
    Path(config.health_file).write_text(f"http://{config.health_host}:{port}\n")


async def _work(service: Service[T], run: Callable[[Service[T]], Awaitable[None]]) -> None:
    """Run the service; after SIGTERM it has `drain_s` to come to its end."""
    work = asyncio.timeout(None)

    async def limit() -> None:
        await service.stopping.wait()
        service.log.info("stopping", drain_s=service.config.drain_s)
        work.reschedule(asyncio.get_running_loop().time() + service.config.drain_s)

    async with asyncio.TaskGroup() as tasks:
        limiter = tasks.create_task(limit())
        try:
            async with work:
                await run(service)
        except TimeoutError:
            if not work.expired():
                raise
            service.log.warning("not everything in hand was finished in time")
        limiter.cancel()


async def _watch_bus(service: Service[T]) -> None:
    """Ping the server: a connection can look alive while nothing answers."""
    heard_at = service.clock.monotonic()

    def problem() -> str | None:
        silent_s = service.clock.monotonic() - heard_at
        return None if silent_s < SILENT_READY_S else f"no answer for {silent_s:.0f} s"

    service.health.add("bus", problem)
    while True:
        if service.bus.closed.is_set():
            text = "the connection to the bus is closed for good"
            raise FatalError(text)
        try:
            await service.bus.ping()
            heard_at = service.clock.monotonic()
        except BusError:
            silent_s = service.clock.monotonic() - heard_at
            if service.bus.is_connected and silent_s > SILENT_FATAL_S:
                text = f"the bus has not answered for {silent_s:.0f} s on a connection that is up"
                raise FatalError(text) from None
        await asyncio.sleep(PING_EVERY_S)


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)
