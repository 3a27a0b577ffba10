"""The API server killed, hung, cut off, its answers lost; services frozen: no run minds.

A frozen process (SIGSTOP) keeps its connections and knows nothing of the time that passes: when
it goes on (SIGCONT) it may believe that it still owns what another has taken over.
"""

from __future__ import annotations

import asyncio

import pytest

from runbus.cli.stack.process import Process
from runbus.cli.stack.service import SERVICES
from runbus.contracts.states import RunState
from support.chaos import READY_S, Chaos, event_of, id_of
from support.cluster import until
from support.cluster_parts import kill_part, part_is_back, part_pid
from support.freezing import frozen
from support.kube_proxies import Stage
from support.proxies import Way
from support.system import PROJECT, sleeping

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.system,
    pytest.mark.timeout(600),
]

# Longer than every timeout of a request to the API server (10 s).
HUNG_S = 12.0
# Longer than a lease (2 s), and long enough for another replica to take it.
FROZEN_S = 5.0
PODS = f"/api/v1/namespaces/{PROJECT}/pods"


async def submit_several(chaos: Chaos, mark: str) -> dict[str, RunState]:
    """Submit runs that are under way for some seconds; return what each has to come to."""
    long = {"command": sleeping(100), "state_thresholds": {"running": "2s"}}
    image = {"image": "missing:1", "state_thresholds": {"image_pull_backoff": "2s"}}
    return {
        await chaos.send(f"fine-{mark}", command=sleeping(2)): RunState.COMPLETED,
        await chaos.send(f"fails-{mark}", command=["sh", "-c", "exit 3"]): RunState.ERROR,
        await chaos.send(f"long-{mark}", **long): RunState.ABORTED,
        await chaos.send(f"image-{mark}", **image): RunState.ABORTED,
    }


async def came_to(chaos: Chaos, expected: dict[str, RunState]) -> None:
    found = {run_id: (await chaos.over(run_id)).state for run_id in expected}
    assert found == expected


async def test_the_api_server_killed_comes_back_without_history_and_is_listed_again(
    chaos: Chaos,
) -> None:
    cluster = chaos.system.stack.cluster
    assert cluster is not None
    expected = await submit_several(chaos, "killed")
    await chaos.system.until(id_of("fine-killed"), RunState.RUNNING)
    log = chaos.process("state-watcher").log
    listed = log.read_text().count("watch expired")

    with chaos.witness.outage():
        old_pid = await kill_part(cluster.folder, "api")
        await part_is_back(cluster.folder, "api", old_pid)

    await came_to(chaos, expected)
    # The watch went on from a version that the new server knows nothing of: 410.
    await until(lambda: has_more(chaos, listed), 60)


async def has_more(chaos: Chaos, before: int) -> bool:
    return chaos.process("state-watcher").log.read_text().count("watch expired") > before


async def test_an_api_server_that_hangs_aborts_nobody_and_goes_on(chaos: Chaos) -> None:
    cluster = chaos.system.stack.cluster
    assert cluster is not None
    expected = await submit_several(chaos, "hung")
    await chaos.system.until(id_of("fine-hung"), RunState.RUNNING)
    await chaos.system.until(id_of("image-hung"), RunState.IMAGE_PULL_BACKOFF)

    with chaos.witness.outage():
        with frozen(part_pid(cluster.folder, "api")):
            await asyncio.sleep(HUNG_S)
            while_hung = await chaos.types(id_of("image-hung"))
        await came_to(chaos, expected)

    assert "aborting" not in while_hung


async def test_services_cut_off_from_the_api_server_find_it_again(chaos: Chaos) -> None:
    expected = await submit_several(chaos, "cut")
    await chaos.system.until(id_of("fine-cut"), RunState.RUNNING)

    with chaos.witness.outage():
        for proxy in chaos.kube.values():
            proxy.cut()
        await asyncio.sleep(FROZEN_S)
        for proxy in chaos.kube.values():
            proxy.mend()
        await came_to(chaos, expected)


async def test_requests_and_answers_that_get_lost_are_repeated(chaos: Chaos) -> None:
    lost = [
        chaos.kube["pod-launcher"].catch(rf"^POST {PODS}", Stage.REQUEST),
        chaos.kube["pod-launcher"].catch(rf"^POST {PODS}", Stage.ANSWER),
        chaos.kube["aborter"].catch(rf"^DELETE {PODS}", Stage.REQUEST),
        chaos.kube["aborter"].catch(rf"^DELETE {PODS}", Stage.ANSWER),
    ]
    for each in lost:
        each.lose()

    with chaos.witness.outage():
        await came_to(chaos, await submit_several(chaos, "lost"))

    assert all(each.is_caught for each in lost)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_frozen_for_longer_than_its_lease_goes_on(
    chaos: Chaos, service: str
) -> None:
    expected = await submit_several(chaos, f"frozen-{SERVICES.index(service)}")

    with chaos.witness.outage():
        process = chaos.process(service)
        with frozen(process.pid):
            await asyncio.sleep(FROZEN_S)
        await came_to(chaos, expected)

    assert process.is_running


@pytest.mark.parametrize(
    ("service", "event"), [("scheduler", "admitted"), ("state-watcher", "completed")]
)
async def test_a_frozen_owner_whose_place_was_taken_changes_nothing(
    chaos: Chaos, service: str, event: str
) -> None:
    owner = chaos.process(service)
    successor = chaos.system.stack.service(service, "successor")
    name = f"before-{event}"
    held = chaos.bus[service].catch(Way.UP, event_of(id_of(name), event))
    try:
        with chaos.witness.outage():
            await chaos.send(name, command=sleeping(1))
            await held.caught()  # the owner has decided, and is frozen before it is stored
            with frozen(owner.pid):
                await successor.start()
                final = await chaos.over(id_of(name))
            held.let_go()  # the successor has done it all: refused by its fence
            await works_again(owner, service)
    finally:
        await successor.stop(READY_S)
    await owner.wait_ready(READY_S)

    assert (final.state, final.attempt) == (RunState.COMPLETED, 1)
    assert (await chaos.types(id_of(name))).count(event) == 1


async def works_again(owner: Process, service: str) -> None:
    """Wait until who was overtaken has its part again: a watcher takes one, a scheduler ends."""
    if service == "scheduler":
        async with asyncio.timeout(READY_S):
            assert await owner.wait() == 1
        await owner.start()
    else:
        await owner.wait_ready(READY_S)


async def test_after_all_faults_of_the_cluster_the_six_invariants_hold(chaos: Chaos) -> None:
    assert await chaos.breaches() == []
