"""Runs of all fates while services, bus and API server are killed at random moments.

The moments are chosen by a seed that is printed; `RUNBUS_TEST_SEED` chooses the same ones again
(what happens between them stays the machine's business). Afterwards the six invariants are judged
on everything that was stored and on every pod that was ever there.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from runbus.cli.stack.service import SERVICES
from runbus.contracts.states import RunState
from support.chaos import READY_S, Chaos, running_chaos
from support.cluster_parts import kill_part, part_is_back
from support.fates import DEFAULTS
from support.load import Load

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.system,
    pytest.mark.timeout(600),
]

BUS, API = "nats-server", "api"
# Each at least once, in an order and at moments that the seed chooses.
VICTIMS = (*SERVICES, *SERVICES, BUS, BUS, API)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chaos(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chaos]:
    folder = tmp_path_factory.mktemp("load")
    async with running_chaos(folder, proxied=(), defaults=DEFAULTS) as chaos:
        yield chaos


async def kill_at_random(chaos: Chaos, rng: random.Random) -> None:
    """Kill one after another, each for a moment, with moments between."""
    for victim in rng.sample(VICTIMS, len(VICTIMS)):
        await asyncio.sleep(rng.uniform(0.2, 1.5))
        away_s = rng.uniform(0, 1)
        if victim == BUS:
            await kill_bus(chaos, away_s)
        elif victim == API:
            await kill_api(chaos)
        else:
            async with chaos.killed(victim):
                await asyncio.sleep(away_s)


async def kill_bus(chaos: Chaos, away_s: float) -> None:
    nats = chaos.system.stack.nats
    with chaos.witness.outage():
        nats.kill()
        await nats.wait()
        await asyncio.sleep(away_s)
        await nats.start()
        await nats.wait_ready(READY_S)


async def kill_api(chaos: Chaos) -> None:
    cluster = chaos.system.stack.cluster
    assert cluster is not None
    with chaos.witness.outage():
        await part_is_back(cluster.folder, API, await kill_part(cluster.folder, API))


async def test_runs_of_all_fates_come_to_their_ends(chaos: Chaos) -> None:
    load = Load(chaos, "calm", random.Random(0))

    await load.run(rounds=1)

    assert await load.wrong_ends() == {}
    assert await chaos.breaches() == []


async def test_runs_of_all_fates_come_to_their_ends_whatever_is_killed(chaos: Chaos) -> None:
    seed = int(os.environ.get("RUNBUS_TEST_SEED") or random.randrange(1_000_000))
    print(f"RUNBUS_TEST_SEED={seed} chooses these moments again")  # noqa: T201 - for a red test
    load = Load(chaos, "rough", random.Random(seed))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(load.run(rounds=4, pause_s=0.4))
        tasks.create_task(kill_at_random(chaos, random.Random(seed + 1)))

    assert await load.wrong_ends() == {}


async def test_after_the_load_the_six_invariants_hold(chaos: Chaos) -> None:
    assert await chaos.breaches() == []


async def test_the_load_met_every_state_that_a_run_can_be_in(chaos: Chaos) -> None:
    world = await chaos.world(settled=True)
    met = {event.status.state for run in world.runs for event in run.events}

    # No queue outside holds anything here.
    assert set(RunState) - met <= {RunState.HELD, RunState.UNKNOWN}
    assert {letter.service for letter in world.dead_letters} == {"aborter"}
    unseen = [
        run.run
        for run in world.runs
        if not run.objects and any(event.status.state is RunState.RUNNING for event in run.events)
    ]
    assert unseen == []
