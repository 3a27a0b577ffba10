"""Three replicas of every service under load, while replicas are killed, frozen and restarted.

The moments are chosen by a seed that is printed; `RUNBUS_TEST_SEED` chooses the same ones again.
Afterwards every run has the end that it must have, and the six invariants hold: nothing was missed,
and nothing done twice.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from runbus.cli.doctor.services import lease_holders, owners_of_shards, unowned
from runbus.cli.stack.process import Process
from runbus.cli.stack.service import SERVICES
from runbus.contracts.leases import ALL_SHARDS
from runbus.contracts.states import RunState
from support.chaos import END_TIMEOUT_S, READY_S, Chaos, running_chaos
from support.fates import DEFAULTS
from support.freezing import frozen
from support.load import Load
from support.system import sleeping

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.system,
    pytest.mark.timeout(600),
]

REPLICAS = 3
WATCHERS = ("state-watcher", "state-watcher-2", "state-watcher-3")
SHARES = [21, 21, 22]
STUCK = 12
_SHARDS = re.compile(r"runbus\.dev/shard\+?\s*in\+?\s*\(([^)]*)\)")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chaos(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chaos]:
    folder = tmp_path_factory.mktemp("replicas")
    async with running_chaos(folder, proxied=(), defaults=DEFAULTS, replicas=REPLICAS) as chaos:
        yield chaos


async def kill(process: Process, away_s: float) -> None:
    process.kill()
    await process.wait()
    await asyncio.sleep(away_s)
    await process.start()


async def freeze(process: Process, away_s: float) -> None:
    """Stop it for longer than its lease, without its knowing; a scheduler may end of it."""
    with frozen(process.pid):
        await asyncio.sleep(3.0 + away_s)
    if "scheduler" in process.name:
        await asyncio.sleep(2.0)
        if not process.is_running:
            await process.wait()
            await process.start()


async def restart(process: Process, away_s: float) -> None:
    """Stop it as a rolling restart does, and start it again."""
    await process.stop(READY_S)
    await asyncio.sleep(away_s)
    await process.start()


async def disturb(chaos: Chaos, rng: random.Random) -> None:
    """Kill, freeze or restart one replica after the other; watchers twice."""
    stack = chaos.system.stack
    names = [*SERVICES, *WATCHERS]
    for name in rng.sample(names, len(names)):
        process = stack.services[name if name in WATCHERS else f"{name}{_number(rng)}"]
        act = rng.choice((kill, kill, freeze, restart))
        print(f"{act.__name__} {process.name}")  # noqa: T201 - for a red test
        with chaos.witness.outage():
            await act(process, rng.uniform(0, 1))
            await asyncio.sleep(rng.uniform(0.2, 1.5))


def _number(rng: random.Random) -> str:
    return rng.choice(("", "-2", "-3"))


async def shares(chaos: Chaos) -> list[int]:
    holders = await lease_holders(chaos.system.client.bus)
    owned = owners_of_shards(holders)
    return sorted(len(shards) for shards in owned.values()) if not unowned(holders) else []


async def until_shared(chaos: Chaos, expected: list[int]) -> None:
    async with asyncio.timeout(READY_S):
        while await shares(chaos) != expected:
            await asyncio.sleep(0.2)


async def watches(chaos: Chaos) -> list[list[str]]:
    """Return the shards of each watch on pods that is open at the API server, the fewest first."""
    _, running = await chaos.system.kube("GET", "/localcluster/v1/watches")
    selectors = (found for each in running for found in _SHARDS.findall(each["path"]))
    return sorted(
        (sorted(each.split(",")) for each in selectors), key=lambda each: (len(each), each)
    )


async def until_one_watch_each(chaos: Chaos, expected: list[int]) -> None:
    """Wait until each replica watches its shards with one watch; no shard is watched twice."""
    async with asyncio.timeout(READY_S):
        while [len(each) for each in await watches(chaos)] != expected:
            await asyncio.sleep(0.2)
    watched = [shard for each in await watches(chaos) for shard in each]
    assert sorted(watched) == sorted(ALL_SHARDS)


async def test_the_watchers_share_all_shards_and_watch_them_once(chaos: Chaos) -> None:
    await until_shared(chaos, SHARES)
    await until_one_watch_each(chaos, SHARES)


async def test_what_is_taken_over_is_merged_into_one_watch(chaos: Chaos) -> None:
    """A replica is gone, and another one comes: each time, each watcher ends with one watch."""
    stack = chaos.system.stack
    gone = stack.services[WATCHERS[1]]
    with chaos.witness.outage():
        gone.kill()
        await gone.wait()
        await until_shared(chaos, [32, 32])
        await until_one_watch_each(chaos, [32, 32])
        run_id = await chaos.submit("with-two", command=sleeping(1))
        assert (await chaos.over(run_id)).state is RunState.COMPLETED
        await gone.start()
        await until_shared(chaos, SHARES)
    await until_one_watch_each(chaos, SHARES)


async def test_a_run_ends_whoever_of_its_services_is_gone(chaos: Chaos) -> None:
    """Each service's first replica is killed at once; two of each go on."""
    stack = chaos.system.stack
    with chaos.witness.outage():
        for name in SERVICES:
            stack.services[name].kill()
        run_id = await chaos.submit("without-the-first", command=sleeping(1))
        too_long = await chaos.submit(
            "too-long-without-the-first",
            command=sleeping(100),
            state_thresholds={"running": "2s"},
        )
        ends = [(await chaos.over(each)).state for each in (run_id, too_long)]
        for name in SERVICES:
            await stack.services[name].wait()
            await stack.services[name].start()

    assert ends == [RunState.COMPLETED, RunState.ABORTED]
    await until_shared(chaos, SHARES)


async def test_a_watcher_that_was_frozen_past_its_lease_aborts_nothing_again(chaos: Chaos) -> None:
    """Deadlines of runs of all shards pass while one stands still, and others act in its place."""
    limits = {"running": "3s"}
    watcher = chaos.process(WATCHERS[0])
    with chaos.witness.outage():
        runs = [
            await chaos.submit(f"frozen-{n}", command=sleeping(300), state_thresholds=limits)
            for n in range(STUCK)
        ]
        with frozen(watcher.pid):
            ends = [(await chaos.over(each)).state for each in runs]
        await until_shared(chaos, SHARES)

    types = [await chaos.types(each) for each in runs]
    assert ends == [RunState.ABORTED] * STUCK
    assert [each.count("aborting") for each in types] == [1] * STUCK
    assert [len(chaos.lives(each)) for each in runs] == [1] * STUCK


async def scale(chaos: Chaos) -> None:
    """Add a replica of each service; restart all replicas in turn; then remove what was added."""
    stack = chaos.system.stack
    for name in SERVICES:
        await stack.add(name, str(REPLICAS + 1))
    for name in list(stack.services):
        await restart(stack.services[name], 0.0)
    await until_shared(chaos, [16] * (REPLICAS + 1))
    for name in SERVICES:
        await stack.services.pop(f"{name}-{REPLICAS + 1}").stop(READY_S)
    await until_shared(chaos, SHARES)


async def test_runs_go_on_while_replicas_are_added_all_restarted_and_some_removed(
    chaos: Chaos,
) -> None:
    load = Load(chaos, "scaled", random.Random(1))

    with chaos.witness.outage():
        async with asyncio.timeout(2 * END_TIMEOUT_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(load.run(rounds=2, pause_s=1.0))
            tasks.create_task(scale(chaos))

    assert await load.wrong_ends() == {}
    await until_one_watch_each(chaos, SHARES)


async def test_runs_of_all_fates_come_to_their_ends_while_replicas_come_and_go(
    chaos: Chaos,
) -> None:
    seed = int(os.environ.get("RUNBUS_TEST_SEED") or random.randrange(1_000_000))
    print(f"RUNBUS_TEST_SEED={seed} chooses these moments again")  # noqa: T201 - for a red test
    load = Load(chaos, "shared", random.Random(seed))

    async with asyncio.timeout(2 * END_TIMEOUT_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(load.run(rounds=3, pause_s=0.5))
        tasks.create_task(disturb(chaos, random.Random(seed + 1)))

    assert await load.wrong_ends() == {}


async def test_after_it_all_the_shards_are_shared_again(chaos: Chaos) -> None:
    await until_shared(chaos, SHARES)


async def test_after_it_all_the_six_invariants_hold(chaos: Chaos) -> None:
    assert await chaos.breaches() == []
