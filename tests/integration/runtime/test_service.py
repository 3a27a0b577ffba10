"""The life of a service process: its ends, wanted and unwanted."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from runbus.contracts.transitions import Publisher
from runbus.runtime.clock import SystemClock
from runbus.runtime.config import ServiceConfig
from runbus.runtime.deadletters import DeadLetters
from runbus.runtime.health import Health
from runbus.runtime.service import Service, live
from support.buses import TestBus

GUARD_S = 30.0


def a_service(on: TestBus) -> Service[ServiceConfig]:
    publisher, clock = Publisher.POD_LAUNCHER, SystemClock()
    run_log = on.run_log(publisher)
    return Service(
        publisher=publisher,
        config=ServiceConfig(drain_s=0.1),
        bus=on.bus,
        clock=clock,
        log=on.log,
        health=Health(clock),
        run_log=run_log,
        dead_letters=DeadLetters(on.bus, run_log, publisher, clock),
        stopping=asyncio.Event(),
    )


async def test_sigterm_is_heeded_while_the_bus_is_not_there_yet() -> None:
    asked = asyncio.Event()

    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "runbus.scheduler",
            env=os.environ | {"RUNBUS_NATS_URL": f"nats://127.0.0.1:{port}"},
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(GUARD_S):
                await asked.wait()
                process.send_signal(signal.SIGTERM)
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_what_is_not_finished_within_the_drain_is_left(on: TestBus) -> None:
    service = a_service(on)

    async def run(_service: Service[ServiceConfig]) -> None:
        service.stopping.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(GUARD_S):
        assert await live(service, run) == 0


async def test_a_timeout_of_the_works_own_is_no_clean_end(on: TestBus) -> None:
    async def run(_service: Service[ServiceConfig]) -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await live(a_service(on), run)
    assert caught.group_contains(TimeoutError)
