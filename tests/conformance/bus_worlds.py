"""The two buses that the suite runs on: a real nats-server, and the simulation's.

A case is a coroutine that gets a `BusWorld`. Each has a bus of its own, provisioned as `init` does
it. On the simulated bus the clock jumps, so that what takes seconds takes none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Protocol

from runbus.cli.stack.nats import NatsProcess
from runbus.sdk.bus import Bus
from runbus.sdk.connecting import connect
from runbus.sdk.errors import BusError
from runbus.sdk.provision import provision
from simulation.bus.server import SimServer
from simulation.loop import VirtualLoop, run_virtually
from support.stack import READY_TIMEOUT_S, running_nats


class BusWorld(Protocol):
    """A server and ways to it."""

    bus: Bus

    async def connect(self, name: str) -> Bus:
        """Make one more connection; the world closes it."""
        ...

    async def kill(self) -> None:
        """End the server as SIGKILL does. Its store stays."""
        ...

    async def start(self) -> None:
        """Start a killed server again, and wait until the first connection is back."""
        ...


Case = Callable[[BusWorld], Coroutine[Any, Any, None]]
Run = Callable[[Case], None]


class RealBus:
    """A nats-server as a process."""

    def __init__(self, nats: NatsProcess) -> None:
        self._nats = nats
        self._opened: list[Bus] = []
        self.bus: Bus

    async def connect(self, name: str) -> Bus:
        bus = await connect(self._nats.url, name=name, attempts_max=40)
        self._opened.append(bus)
        return bus

    async def kill(self) -> None:
        self._nats.kill()
        await self._nats.wait()

    async def start(self) -> None:
        await self._nats.start()
        await self._nats.wait_ready(READY_TIMEOUT_S)
        await answers(self.bus)

    async def close(self) -> None:
        for bus in self._opened:
            await bus.close()


class SimulatedBus:
    """The simulation's server, on a clock that jumps."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._server = SimServer(loop, Random(7))
        self.bus: Bus

    async def connect(self, name: str) -> Bus:
        opened: list[Bus] = []

        def on_reconnected() -> None:
            for each in opened:
                each.generation += 1

        bus = Bus(self._server.connect(name, on_reconnected).client.native())
        opened.append(bus)
        await bus.open()
        return bus

    async def kill(self) -> None:
        self._server.stop()

    async def start(self) -> None:
        self._server.start()
        await answers(self.bus)


async def answers(bus: Bus, limit_s: float = 20.0) -> None:
    """Wait until the server answers."""
    async with asyncio.timeout(limit_s):
        while True:
            try:
                await bus.ping(timeout_s=0.5)
            except BusError:
                await asyncio.sleep(0.02)
            else:
                return


def on_real_bus(folder: Path) -> Run:
    """Return what runs a case on a real server."""

    def run(case: Case) -> None:
        async def main() -> None:
            async with _real(folder) as world:
                await case(world)

        asyncio.run(main())

    return run


@asynccontextmanager
async def _real(folder: Path) -> AsyncIterator[RealBus]:
    async with running_nats(folder) as nats:
        world = RealBus(nats)
        world.bus = await world.connect("first")
        try:
            await provision(world.bus)
            yield world
        finally:
            await world.close()


def on_simulated_bus(_folder: Path) -> Run:
    """Return what runs a case on the simulated server."""

    def run(case: Case) -> None:
        async def main(loop: VirtualLoop) -> None:
            world = SimulatedBus(loop)
            world.bus = await world.connect("first")
            await provision(world.bus)
            await case(world)
            assert not loop.problems, loop.problems

        run_virtually(main)

    return run
