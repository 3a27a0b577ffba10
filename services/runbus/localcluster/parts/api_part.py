"""The API server's process: objects from the journal, HTTP, housekeeping. Wiring only."""

import asyncio
import errno
import random
import sys
import time
import uuid
from collections.abc import Callable

import structlog
from aiohttp import web

from runbus.localcluster.api.faults import Faults
from runbus.localcluster.api.journal import Journal, JournalError
from runbus.localcluster.api.operations import Operations, Sources
from runbus.localcluster.api.pod_logs import PodLogs
from runbus.localcluster.api.server import MAX_BODY_BYTES, ApiServer
from runbus.localcluster.api.watching import Watches
from runbus.localcluster.options import (
    Options,
    ServerIdentity,
    address_of,
    read_identity,
    write_identity,
    write_kubeconfig,
)
from runbus.localcluster.parts.life import Life, Ready
from runbus.localcluster.rules.resources import (
    EVENTS,
    NAMESPACES,
    PRIORITY_CLASSES,
    RESOURCES,
    Target,
)
from runbus.localcluster.rules.timestamps import to_time
from runbus.localcluster.store.store import ObjectStore

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # as Kubernetes: no vowels, so no words
_VERSIONS_PER_MS = 10
_HOUSEKEEPING_S = 5.0
_STOP_LIMIT_S = 2.0
_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_SYSTEM_CLASSES = (("system-cluster-critical", 2000000000), ("system-node-critical", 2000001000))
_log = structlog.get_logger("localcluster")


async def run_api(options: Options, life: Life) -> None:
    """Serve until life ends; the readiness line goes to stdout."""
    identity = read_identity(options.dir)
    journal = Journal(options.dir / "objects")
    operations = _operations(options, journal)
    watches = Watches(operations.store, options.bookmark_interval_s, random.Random())  # noqa: S311
    logs = PodLogs(operations.store, identity.token)
    api = ApiServer(operations, watches, logs, Faults(), identity.token)
    server, port = await _serve(options, identity, api.handle)
    try:
        url = address_of(options.host, port)
        write_identity(options.dir, ServerIdentity(identity.token, port))
        ready = Ready(url, str(write_kubeconfig(options.dir, url, identity.token)))
        sys.stdout.write(ready.line().decode())
        sys.stdout.flush()
        _log.info("serving", url=url, kubeconfig=ready.kubeconfig)
        async with asyncio.TaskGroup() as group:
            house = group.create_task(_keep_house(operations, journal, options))
            await life.stop.wait()
            house.cancel()
    finally:
        watches.close()
        await server.cleanup()
        journal.close()


def _suffix() -> str:
    return "".join(random.choices(_SUFFIX, k=5))  # noqa: S311 - a name, not a secret


def _operations(options: Options, journal: Journal) -> Operations:
    """The objects of the last life with a resourceVersion beyond all that were given out."""
    now = time.time_ns() // 1_000_000 * _VERSIONS_PER_MS
    first = max(now, journal.load() + _VERSIONS_PER_MS)
    store = ObjectStore(RESOURCES, first, options.history, journal.record)
    kept = journal.restore(store, RESOURCES)
    if kept:
        _log.info("objects are kept from before", objects=kept)
    sources = Sources(time.time, lambda: str(uuid.uuid4()), _suffix)
    operations = Operations(store, sources, options.create_namespaces)
    for name in _NAMESPACES:
        if store.find(NAMESPACES, "", name) is None:
            operations.create_namespace(name)
    for name, value in _SYSTEM_CLASSES:
        if store.find(PRIORITY_CLASSES, "", name) is None:
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

    # cancelled where the client goes away: who watches or follows would never notice otherwise
    server = web.Server(
        handle,  # type: ignore[arg-type]
        request_factory=request,
        handler_cancellation=True,
        access_log=None,
    )
    runner = web.ServerRunner(server, shutdown_timeout=_STOP_LIMIT_S)
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


async def _keep_house(operations: Operations, journal: Journal, options: Options) -> None:
    while True:
        await asyncio.sleep(_HOUSEKEEPING_S)
        try:
            operations.expire_events(EVENTS, to_time(time.time() - options.event_ttl_s))
            await journal.tidy(operations.store, RESOURCES)
        except (JournalError, OSError) as error:
            _log.warning("the journal cannot be written", why=str(error))
