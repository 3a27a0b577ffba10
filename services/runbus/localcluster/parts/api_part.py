"""The API server's process: objects from the journal, HTTP, housekeeping. Wiring only."""

import asyncio
import base64
import datetime as dt
import errno
import random
import ssl
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
from runbus.localcluster.certificate import CertifiedKey, self_signed
from runbus.localcluster.options import (
    Options,
    ServerIdentity,
    address_of,
    read_identity,
    read_tls,
    tls_file,
    write_identity,
    write_kubeconfig,
    write_tls,
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
    certified = _certified(options, identity)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tls_file(options.dir))
    server = await _server(api.handle)
    try:
        port = await _listen(server, options, identity.port, options.port)
        tls_port = await _listen(server, options, identity.tls_port, 0, tls)
        url = address_of(options.host, port)
        mine = ServerIdentity(identity.token, port, tls_port, options.host)
        write_identity(options.dir, mine)
        ready = Ready(url, _write_kubeconfigs(options, identity.token, url, tls_port, certified))
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


def _certified(options: Options, identity: ServerIdentity) -> CertifiedKey:
    """Key and certificate of the last start, or fresh ones where the host is another."""
    kept = read_tls(options.dir) if identity.tls_host == options.host else None
    if kept is None:
        kept = self_signed(options.host, dt.datetime.now(dt.UTC))
        write_tls(options.dir, kept)
    return kept


def _write_kubeconfigs(
    options: Options, token: str, url: str, tls_port: int, certified: CertifiedKey
) -> str:
    """Write that of most clients, whose path is given, and that of kubectl, which wants TLS."""
    authority = base64.b64encode(certified.certificate.encode()).decode()
    address = address_of(options.host, tls_port, "https")
    over_tls = {"server": address, "certificate-authority-data": authority}
    write_kubeconfig(options.dir, "kubectl.kubeconfig", over_tls, token)
    return write_kubeconfig(options.dir, "kubeconfig", {"server": url}, token)


async def _server(handle: Callable[..., object]) -> web.ServerRunner:
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
    return runner


async def _listen(
    runner: web.ServerRunner,
    options: Options,
    before: int,
    asked: int,
    tls: ssl.SSLContext | None = None,
) -> int:
    """Listen on the port asked for, on that of the last start, or on a free one; gives which."""
    for port in dict.fromkeys((asked or before, asked)):
        site = web.TCPSite(runner, options.host, port, backlog=1024, ssl_context=tls)
        try:
            await site.start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE or port == asked:
                raise
        else:
            break
    return int(runner.addresses[-1][1])


async def _keep_house(operations: Operations, journal: Journal, options: Options) -> None:
    while True:
        await asyncio.sleep(_HOUSEKEEPING_S)
        try:
            operations.expire_events(EVENTS, to_time(time.time() - options.event_ttl_s))
            await journal.tidy(operations.store, RESOURCES)
        except (JournalError, OSError) as error:
            _log.warning("the journal cannot be written", why=str(error))
