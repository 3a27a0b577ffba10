"""A whole system on a bus of three servers, each of which keeps everything; one is killed.

Another one is elected within 4 to 9 s, which is compiled into nats-server; until then what the dead
one led can be neither written nor read. Nothing may be lost by that, and nothing done twice.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from runbus.cli.doctor.services import lease_holders, unowned
from runbus.cli.stack.nats import NatsProcess
from runbus.contracts.states import RunState
from runbus.contracts.streams import BUCKETS, EVENTS, LEASES_BUCKET, STREAMS
from runbus.sdk.errors import BusError
from support.chaos import READY_S, Chaos, running_chaos
from support.fates import DEFAULTS
from support.load import Load
from support.system import sleeping

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.system,
    pytest.mark.timeout(600),
]

SERVERS = 3
LEASES = f"KV_{LEASES_BUCKET}"
KEPT = [each.name for each in STREAMS] + [f"KV_{each.name}" for each in BUCKETS]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chaos(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chaos]:
    folder = tmp_path_factory.mktemp("three")
    async with running_chaos(folder, proxied=(), defaults=DEFAULTS, bus_servers=SERVERS) as chaos:
        yield chaos


async def server_of(chaos: Chaos, stream: str) -> NatsProcess:
    """Return the server that leads a stream."""
    info = await chaos.system.client.bus.api(f"STREAM.INFO.{stream}")
    number = int(info["cluster"]["leader"].rpartition("-")[2])
    return chaos.system.stack.bus[number - 1]


async def until_all_have_all(chaos: Chaos) -> None:
    """Wait until every server has everything that is kept."""
    async with asyncio.timeout(READY_S):
        for stream in KEPT:
            while not await is_current(chaos, stream):
                await asyncio.sleep(0.25)


async def is_current(chaos: Chaos, stream: str) -> bool:
    try:
        info = await chaos.system.client.bus.api(f"STREAM.INFO.{stream}")
    except BusError:
        return False
    others = info["cluster"].get("replicas") or []
    return len(others) == SERVERS - 1 and all(
        each.get("current") and not each.get("offline") for each in others
    )


async def kill(chaos: Chaos, server: NatsProcess) -> None:
    server.kill()
    await server.wait()


async def bring_back(chaos: Chaos, server: NatsProcess) -> None:
    await server.start()
    await server.wait_ready(READY_S)
    await until_all_have_all(chaos)


async def test_everything_is_kept_by_all_three(chaos: Chaos) -> None:
    await until_all_have_all(chaos)


@pytest.mark.parametrize("stream", [EVENTS, LEASES])
async def test_runs_go_on_when_the_server_that_leads_is_killed(chaos: Chaos, stream: str) -> None:
    """One completes and one is aborted in time, on the two servers that are left."""
    name = stream.lower().replace("_", "-")
    with chaos.witness.outage():
        before = await chaos.submit(f"before-{name}", command=sleeping(3))
        too_long = await chaos.submit(
            f"too-long-{name}", command=sleeping(300), state_thresholds={"running": "2s"}
        )
        dead = await server_of(chaos, stream)
        await kill(chaos, dead)
        after = await chaos.submit(f"after-{name}")
        ends = [(await chaos.over(each)).state for each in (before, too_long, after)]
    with chaos.witness.outage():
        await bring_back(chaos, dead)

    assert ends == [RunState.COMPLETED, RunState.ABORTED, RunState.COMPLETED]
    assert unowned(await lease_holders(chaos.system.client.bus)) == []


async def test_runs_of_all_fates_come_to_their_ends_while_each_server_is_killed_once(
    chaos: Chaos,
) -> None:
    load = Load(chaos, "three", random.Random(3))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(load.run(rounds=2, pause_s=1.0))
        with chaos.witness.outage():
            for server in chaos.system.stack.bus:
                await kill(chaos, server)
                await asyncio.sleep(1.0)
                await bring_back(chaos, server)

    assert await load.wrong_ends() == {}


async def test_after_it_all_the_six_invariants_hold(chaos: Chaos) -> None:
    assert await chaos.breaches() == []
