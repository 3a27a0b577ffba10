"""The nodes of this machine: a runner for each, and what befalls them.

Owns what they share: process groups, the watch on memory, the numbers of devices. A reclaimed
node is what a cloud does to a spot node: notice, end of its pods, end of the node. A lost one
loses its network only. Orders come over the API (``orders.py``).
"""

import asyncio
import contextlib
import pathlib
import shutil
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

import msgspec
import structlog

from runbus.localcluster.client import (
    Address,
    ApiClient,
    Reflector,
    RequestRefused,
    ServerUnreachableError,
)
from runbus.localcluster.orders import NAME, NAMESPACE, Order, read_orders
from runbus.localcluster.recorder import Recorder
from runbus.localcluster.rules.small_shapes import ConfigMap
from runbus.localcluster.runner.context import RunnerContext, RunnerSettings
from runbus.localcluster.runner.devices import Devices, is_device
from runbus.localcluster.runner.memory import MemoryWatch
from runbus.localcluster.runner.processes import Processes
from runbus.localcluster.runner.runner import Runner

AGENT = "runbus-localcluster-run"
_RETRY_S = 0.5
_NOT_FOUND = 404
_MOST_NUMBERED = 1024
_log = structlog.get_logger("runner")


class _Orders:
    """One node's orders as they come."""

    def __init__(self) -> None:
        self.last = Order()
        self._changed = asyncio.Event()

    def take(self, order: Order) -> None:
        if order != self.last:
            self.last = order
            self._changed.set()

    async def next(self) -> Order:
        await self._changed.wait()
        self._changed.clear()
        return self.last


class NodeHost:
    """Runs nodes as long as ``run`` does; ``settings`` has one entry for each."""

    def __init__(
        self,
        address: Address,
        settings: Sequence[RunnerSettings],
        folder: pathlib.Path,
        now_s: Callable[[], float],
    ) -> None:
        self._address = address
        self._settings = settings
        self._folder = folder
        self._now_s = now_s
        self._processes = Processes(folder / "groups")
        self._memory = MemoryWatch()
        self._orders = {each.node_name: _Orders() for each in settings}

    async def run(self) -> None:
        """Run every node; ends by cancellation, with no process left."""
        await self._processes.open()
        try:
            async with ApiClient(self._address, AGENT) as client, asyncio.TaskGroup() as group:
                path = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
                query = {"fieldSelector": f"metadata.name={NAME}"}
                orders = Reflector(
                    client, path, ConfigMap, self._take_orders, lambda _gone: None, query
                )
                group.create_task(orders.run())
                group.create_task(self._memory.run())
                group.create_task(self._sweep(client))
                await orders.synced.wait()
                for settings, devices in zip(
                    self._settings, number_devices(self._settings), strict=True
                ):
                    group.create_task(self._keep(client, settings, devices))
        finally:
            self._processes.close()

    def _take_orders(self, found: ConfigMap) -> None:
        for name, order in read_orders(found.data).items():
            if name in self._orders:
                self._orders[name].take(order)

    async def _keep(
        self, client: ApiClient, settings: RunnerSettings, devices: Mapping[str, range]
    ) -> None:
        orders = self._orders[settings.node_name]
        while True:
            if orders.last.order == "reclaim":
                await self._take_away(client, settings.node_name)
                await orders.next()
            else:
                await self._live(settings, devices, orders)

    async def _live(
        self, settings: RunnerSettings, devices: Mapping[str, range], orders: _Orders
    ) -> None:
        """Run a node until it is reclaimed."""
        async with self._runner(settings, devices) as runner, asyncio.TaskGroup() as group:
            if orders.last.order == "lose":
                runner.cut_off()
            running = group.create_task(runner.run())
            while True:
                order = await orders.next()
                _log.info("a node has an order", node=settings.node_name, order=order.order)
                match order.order:
                    case "lose":
                        runner.cut_off()
                    case "restore":
                        runner.reconnect()
                    case "reclaim":
                        if order.notice_s:
                            await runner.shut_down(order.notice_s)
                        running.cancel()
                        return

    @contextlib.asynccontextmanager
    async def _runner(
        self, settings: RunnerSettings, devices: Mapping[str, range]
    ) -> AsyncGenerator[Runner]:
        async with ApiClient(self._address, AGENT) as client:
            recorder = Recorder(client, "kubelet", settings.node_name, self._now_s)
            context = RunnerContext(
                settings,
                client,
                recorder,
                self._processes,
                self._memory,
                Devices(devices, frozenset(settings.capacity) - frozenset(devices)),
                self._now_s,
            )
            yield Runner(context, client, recorder, self._address.token)

    async def _take_away(self, client: ApiClient, name: str) -> None:
        """Delete the node's object, as a cloud's controller does when the machine is gone."""
        while True:
            try:
                await client.send("DELETE", f"/api/v1/nodes/{name}")
                return
            except RequestRefused as refusal:
                if refusal.code == _NOT_FOUND:
                    return
                _log.warning("the node cannot be deleted", node=name, why=refusal.message)
            except ServerUnreachableError as error:
                _log.warning("API server unreachable", why=str(error))
            await asyncio.sleep(_RETRY_S)

    async def _sweep(self, client: ApiClient) -> None:
        """Remove the folders of pods that were deleted while no runner was there."""
        folders = await asyncio.to_thread(_pod_folders, self._folder)
        while folders:
            try:
                listed = msgspec.json.decode(await client.get("/api/v1/pods"))
            except (RequestRefused, ServerUnreachableError):
                await asyncio.sleep(_RETRY_S)
                continue
            there = {each["metadata"]["uid"] for each in listed["items"]}
            for uid, places in folders.items():
                if uid not in there:
                    for place in places:
                        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
            return


def number_devices(settings: Sequence[RunnerSettings]) -> list[dict[str, range]]:
    """The numbers of each node's devices: each number is given out once on this machine."""
    next_number: dict[str, int] = {}
    numbered: list[dict[str, range]] = []
    for each in settings:
        owned: dict[str, range] = {}
        for name, text in each.capacity.items():
            if is_device(name) and int(text) <= _MOST_NUMBERED:
                first = next_number.get(name, 0)
                next_number[name] = first + int(text)
                owned[name] = range(first, next_number[name])
        numbered.append(owned)
    return numbered


def _pod_folders(base: pathlib.Path) -> dict[str, list[pathlib.Path]]:
    """The folders of pods on disk, by uid; a log folder's name ends with it."""
    found: dict[str, list[pathlib.Path]] = {}
    for parent in (base / "pods", base / "logs"):
        if parent.is_dir():
            for each in parent.iterdir():
                found.setdefault(each.name.rpartition("_")[2], []).append(each)
    return found
