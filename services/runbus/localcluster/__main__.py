"""``python -m runbus.localcluster``: wiring, and nothing else."""

import asyncio
import errno
import fcntl
import os
import pathlib
import random
import signal
import sys
import time
import uuid
from collections.abc import Callable

import msgspec
import structlog
import uvloop
from aiohttp import web

from runbus.localcluster.api.faults import COMPONENT_AGENT, Faults
from runbus.localcluster.api.operations import Operations, Sources
from runbus.localcluster.api.pod_logs import PodLogs
from runbus.localcluster.api.server import MAX_BODY_BYTES, ApiServer
from runbus.localcluster.api.watching import Watches
from runbus.localcluster.client import Address, ApiClient
from runbus.localcluster.janitor.janitor import Janitor
from runbus.localcluster.options import (
    Options,
    ServerIdentity,
    host_capacity,
    parse_options,
    read_identity,
    write_identity,
    write_kubeconfig,
)
from runbus.localcluster.process_logs import configure_logs
from runbus.localcluster.recorder import Recorder
from runbus.localcluster.rules.resources import EVENTS, PRIORITY_CLASSES, RESOURCES, Target
from runbus.localcluster.rules.timestamps import to_time
from runbus.localcluster.runner.context import RunnerContext, RunnerSettings
from runbus.localcluster.runner.images import Backoff
from runbus.localcluster.runner.processes import Processes
from runbus.localcluster.runner.runner import Runner
from runbus.localcluster.scheduler.scheduler import NAME as SCHEDULER_NAME
from runbus.localcluster.scheduler.scheduler import PodScheduler
from runbus.localcluster.store.store import ObjectStore

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # as Kubernetes: no vowels, so no words
_VERSIONS_PER_MS = 10
_HOUSEKEEPING_S = 30.0
_STOP_LIMIT_S = 2.0
_SYSTEM_CLASSES = (("system-cluster-critical", 2000000000), ("system-node-critical", 2000001000))
_log = structlog.get_logger("localcluster")


def _suffix() -> str:
    return "".join(random.choices(_SUFFIX, k=5))  # noqa: S311 - a name, not a secret


def _new_operations(options: Options) -> Operations:
    first = time.time_ns() // 1_000_000 * _VERSIONS_PER_MS
    store = ObjectStore(RESOURCES, first, options.history)
    sources = Sources(time.time, lambda: str(uuid.uuid4()), _suffix)
    operations = Operations(store, sources, options.create_namespaces)
    for name in ("default", "kube-system"):
        operations.create_namespace(name)
    for name, value in _SYSTEM_CLASSES:
        body = {"metadata": {"name": name}, "value": value}
        operations.create(Target(PRIORITY_CLASSES), body)
    return operations


async def _serve(
    options: Options, identity: ServerIdentity, handle: Callable[..., object]
) -> tuple[web.ServerRunner, int]:
    def request(message, payload, protocol, writer, task):  # type: ignore[no-untyped-def]
        return web.BaseRequest(
            message,
            payload,
            protocol,
            writer,
            task,
            asyncio.get_running_loop(),
            client_max_size=MAX_BODY_BYTES,
        )

    server = web.Server(handle, request_factory=request, access_log=None)  # type: ignore[arg-type]
    runner = web.ServerRunner(server, handler_cancellation=True, shutdown_timeout=_STOP_LIMIT_S)
    await runner.setup()
    for port in dict.fromkeys((options.port or identity.port, options.port)):
        try:
            await web.TCPSite(runner, options.host, port, backlog=1024).start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE or port == options.port:
                raise
        else:
            break
    return runner, int(runner.addresses[0][1])


async def _keep_house(operations: Operations, options: Options) -> None:
    while True:
        await asyncio.sleep(_HOUSEKEEPING_S)
        operations.expire_events(EVENTS, to_time(time.time() - options.event_ttl_s))


async def _run_components(options: Options, address: Address, operations: Operations) -> None:
    agents = [ApiClient(address, f"{COMPONENT_AGENT}{name}") for name in ("sched", "run", "tidy")]
    async with (
        agents[0] as first,
        agents[1] as second,
        agents[2] as third,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(_keep_house(operations, options))
        group.create_task(Janitor(third, time.time, options.node_grace_s).run())
        if options.scheduler:
            recorder = Recorder(first, SCHEDULER_NAME, options.node_name, time.time)
            group.create_task(recorder.run())
            group.create_task(PodScheduler(first, recorder, time.time).run())
        if options.runner:
            recorder = Recorder(second, "kubelet", options.node_name, time.time)
            group.create_task(recorder.run())
            group.create_task(_new_runner(options, address, second, recorder).run())


def _new_runner(
    options: Options, address: Address, client: ApiClient, recorder: Recorder
) -> Runner:
    settings = RunnerSettings(
        options.node_name,
        str(options.dir),
        host_capacity(options),
        missing_images=options.missing_images,
        pull_backoff=Backoff(options.pull_backoff_initial_s, options.pull_backoff_max_s),
        restart_backoff=Backoff(options.restart_backoff_initial_s, options.restart_backoff_max_s),
        pull_time_s=options.pull_time_ms / 1000,
        config_retry_s=options.config_retry_s,
        heartbeat_s=options.heartbeat_s,
    )
    processes = Processes(options.dir / "groups")
    context = RunnerContext(settings, client, recorder, processes, time.time)
    return Runner(context, client, recorder, address.token)


async def _run(options: Options) -> None:
    identity = read_identity(options.dir)
    operations, faults = _new_operations(options), Faults()
    watches = Watches(operations.store, options.bookmark_interval_s, random.Random())  # noqa: S311
    logs = PodLogs(operations.store, identity.token)
    api = ApiServer(operations, watches, logs, faults, identity.token)
    server, port = await _serve(options, identity, api.handle)
    host = f"[{options.host}]" if ":" in options.host else options.host
    url = f"http://{host}:{port}"
    write_identity(options.dir, ServerIdentity(identity.token, port))
    kubeconfig = write_kubeconfig(options.dir, url, identity.token)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    try:
        async with asyncio.TaskGroup() as group:
            address = Address(url, identity.token)
            components = group.create_task(_run_components(options, address, operations))
            ready = {"url": url, "kubeconfig": str(kubeconfig)}
            sys.stdout.write(msgspec.json.encode(ready).decode() + "\n")
            sys.stdout.flush()
            _log.info("serving", **ready)
            await stop.wait()
            components.cancel()
    finally:
        watches.close()
        await server.cleanup()
    _log.info("stopped")


def _lock(folder: pathlib.Path) -> int:
    """Keep the folder for this process; two clusters in one folder would kill each other's."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"{folder} is in use by another local cluster: stop it, or give another --dir")
    return descriptor


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    options = parse_options()
    configure_logs(options.log_level)
    options.dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = _lock(options.dir)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(options))
    finally:
        os.close(lock)


if __name__ == "__main__":
    main()
