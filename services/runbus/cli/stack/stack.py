"""All processes of a runbus on one machine, in the order in which they can start and must end."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from runbus.cli.stack.cluster import ClusterProcess
from runbus.cli.stack.nats import NatsProcess, servers_of_one_bus
from runbus.cli.stack.owner import Owner
from runbus.cli.stack.process import Process, first_stack_error
from runbus.cli.stack.service import SERVICES, ServiceProcess

READY_TIMEOUT_S = 60.0
SERVICE_GRACE_S = 12.0  # a service drains within 10 s
CLUSTER_GRACE_S = 10.0
NATS_GRACE_S = 5.0
ELECTED_AGAIN_S = 0.25

Progress = Callable[[str], None]


class Stack:
    """A bus, a cluster and the services.

    async with Stack(folder) as stack:
        ... stack.nats_url, stack.kubeconfig
        stack.services["scheduler"].kill()
        await stack.restart("scheduler")

    Args:
        folder: for everything: bus/, cluster/, logs/, health files.
        defaults: a defaults file for the services that take one.
        localcluster_options: arguments of the local cluster.
        kubeconfig: of another cluster, instead of the local one.
        context: of that kubeconfig.
        logs: folder for logs; default: in `folder`.
        environment: more settings for the services; they win over those of the stack.
        services: which of them.
        is_temporary: the folder is removed at the end, however that comes.
        sync_always: the bus answers for a message only once it is on the disk.
        bus_servers: of how many servers the bus is; each of three keeps everything.
        progress: told what happens, one line at a time.

    """

    def __init__(
        self,
        folder: Path,
        *,
        defaults: Path | None = None,
        localcluster_options: Sequence[str] = (),
        kubeconfig: str | None = None,
        context: str | None = None,
        logs: Path | None = None,
        environment: Mapping[str, str] | None = None,
        services: Sequence[str] = SERVICES,
        is_temporary: bool = False,
        sync_always: bool = False,
        bus_servers: int = 1,
        progress: Progress = lambda _line: None,
    ) -> None:
        self.folder = folder
        self.logs = logs or folder / "logs"
        self.cluster: ClusterProcess | None = None
        self.services: dict[str, ServiceProcess] = {}
        self._defaults = defaults
        self._cluster_options = tuple(localcluster_options)
        self._other_kubeconfig = kubeconfig
        self._context = context
        self._environment = dict(environment or {})
        self._wanted = tuple(services)
        self._is_temporary = is_temporary
        self._sync_always = sync_always
        self._progress = progress
        self._bus_servers = bus_servers
        self._owner: Owner | None = None
        self.bus: list[NatsProcess] = []

    @property
    def nats(self) -> NatsProcess:
        """The bus, or its first server."""
        assert self.bus, "the stack has not been started"
        return self.bus[0]

    @property
    def nats_url(self) -> str:
        """The bus's address, with its token; of several servers, all of theirs."""
        assert self.bus, "the stack has not been started"
        return ",".join(each.url for each in self.bus)

    @property
    def kubeconfig(self) -> str:
        """The path of the cluster's kubeconfig; empty: Kubernetes' own defaults."""
        if self.cluster is not None:
            return self.cluster.kubeconfig
        return self._other_kubeconfig or ""

    @property
    def kubectl_kubeconfig(self) -> str:
        """The path of the kubeconfig for kubectl, which sends no token over plain HTTP."""
        if self.cluster is not None:
            return str(Path(self.cluster.kubeconfig).with_name("kubectl.kubeconfig"))
        return self.kubeconfig

    @property
    def processes(self) -> list[Process]:
        """Everything that was started, in that order."""
        found: list[Process | None] = [*self.bus, self.cluster, *self.services.values()]
        return [each for each in found if each is not None]

    async def __aenter__(self) -> Stack:
        """Start everything."""
        await self.start()
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Stop everything."""
        await self.stop()

    async def start(self) -> None:
        """Start everything, and wait until all of it is ready.

        Raises:
            StackError: something did not start; everything is stopped again.

        """
        try:
            await self._start()
        except BaseException as error:
            await self.stop()
            known = first_stack_error(error)
            if known is not None and known is not error:
                raise known from error
            raise

    async def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._owner = owner = await Owner.start()
        if self._is_temporary:
            owner.owns_folder(self.folder)
        self.bus = servers_of_one_bus(
            self.folder / "bus",
            self._bus_servers,
            owner=owner,
            logs=self.logs,
            token=secrets.token_hex(16),
            sync_always=self._sync_always,
        )
        if self._other_kubeconfig is None and self._context is None:
            self.cluster = ClusterProcess(
                self.folder / "cluster",
                owner=owner,
                log=self.logs / "localcluster.log",
                options=self._cluster_options,
            )
            await self.cluster.start()
        for each in self.bus:
            await each.start()
        for each in self.bus:
            await each.wait_ready(READY_TIMEOUT_S)
        self._progress("the bus is up")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._provision())
            if self.cluster is not None:
                await self.cluster.wait_ready(READY_TIMEOUT_S)
                self._progress("the cluster is up")
            for name in self._wanted:
                self.services[name] = self.service(name)
                await self.services[name].start()
        async with asyncio.TaskGroup() as tasks:
            for process in self.services.values():
                tasks.create_task(self._ready(process))

    def service(
        self, name: str, instance: str = "", more: Mapping[str, str] | None = None
    ) -> ServiceProcess:
        """Return a process of a service, not started.

        `instance` tells replicas apart; `more` are settings of this one.
        """
        assert self._owner is not None, "the stack has not been started"
        own_name = f"{name}-{instance}" if instance else name
        environment = {"RUNBUS_NATS_URL": self.nats_url}
        if self.kubeconfig:
            environment["RUNBUS_KUBECONFIG"] = self.kubeconfig
        if self._context:
            environment["RUNBUS_KUBE_CONTEXT"] = self._context
        if self._defaults is not None:
            environment["RUNBUS_DEFAULTS_FILE"] = str(self._defaults.absolute())
        return ServiceProcess(
            name,
            self.folder / "health",
            owner=self._owner,
            log=self.logs / f"{own_name}.log",
            environment={**environment, **self._environment, **(more or {})},
            instance=instance,
        )

    async def add(self, name: str, instance: str) -> ServiceProcess:
        """Start one more replica of a service; it is `services["<name>-<instance>"]`."""
        process = self.service(name, instance)
        self.services[process.name] = process
        await process.start()
        await process.wait_ready(READY_TIMEOUT_S)
        return process

    async def restart(self, name: str) -> None:
        """Stop a service in order, start it again and wait until it is ready."""
        process = self.services[name]
        await process.stop(SERVICE_GRACE_S)
        await process.start()
        await process.wait_ready(READY_TIMEOUT_S)

    async def stop(self) -> None:
        """Stop everything: services first, then the cluster, then the bus. May be repeated."""
        if self._owner is None:
            return
        async with asyncio.TaskGroup() as tasks:
            for service in self.services.values():
                tasks.create_task(service.stop(SERVICE_GRACE_S))
        if self.cluster is not None:
            await self.cluster.stop(CLUSTER_GRACE_S)
        async with asyncio.TaskGroup() as tasks:
            for each in self.bus:
                tasks.create_task(each.stop(NATS_GRACE_S))
        if self._is_temporary:
            await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)
        await self._owner.finish()
        self._owner = None

    async def _provision(self) -> None:
        from runbus.sdk.connecting import connect
        from runbus.sdk.errors import BusError
        from runbus.sdk.provision import ProvisionError, provision

        connection = await connect(self.nats_url, name="runbus-init")
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while True:
                    try:
                        await provision(connection, replicas=self._bus_servers)
                    except (BusError, ProvisionError):
                        if self._bus_servers == 1:
                            raise
                        await asyncio.sleep(ELECTED_AGAIN_S)  # several elect a leader first
                    else:
                        return
        finally:
            await connection.close()

    async def _ready(self, process: ServiceProcess) -> None:
        await process.wait_ready(READY_TIMEOUT_S)
        self._progress(f"{process.name} is ready")
