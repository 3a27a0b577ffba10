"""Spot nodes taken away under runs: the reason, the retry, and who may know it later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from runbus.contracts.states import OutcomeClass, RunState
from support.system import System, running_system

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]

NODE = "spot-1"
WATCHER = "state-watcher"
# The first attempt lasts until something befalls it, the second is quick.
FIRST_LASTS = ["sh", "-c", '[ "$RUNBUS_ATTEMPT" = 2 ] || sleep 100']
ONE_RETRY = {"limit": 1, "backoff": "1s", "on": ["SpotReclaimed"]}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    async with running_system(
        tmp_path_factory.mktemp("spot"),
        defaults="preemptible_nodes: {preset: gke}\n",
        cluster=[f"--node=name={NODE},cpu=2,memory=2Gi,spot=gke", "--orphan-grace-s=0.5"],
    ) as system:
        yield system


async def order(system: System, what: str, **more: Any) -> None:
    """Have something befall the spot node."""
    code, answer = await system.kube("POST", f"/localcluster/v1/nodes/{NODE}/{what}", more)
    assert code == 202, answer


async def running_on_spot(system: System, name: str, **settings: Any) -> str:
    """Submit a run that only a spot node can take, and wait until it runs there."""
    settings = {"command": FIRST_LASTS, "retry": ONE_RETRY} | settings
    run_id = await system.submit(name, preemption_mode="constrain", **settings)
    status = await system.until(run_id, RunState.RUNNING)
    assert [(each.node, each.spot) for each in status.pods] == [(NODE, True)]
    return run_id


async def node_gone(system: System) -> None:
    while (await system.kube("GET", f"/api/v1/nodes/{NODE}"))[0] != 404:
        pass


async def test_a_run_whose_spot_node_is_reclaimed_says_so_and_is_tried_again(
    system: System,
) -> None:
    run_id = await running_on_spot(system, "notice")

    await order(system, "reclaim", notice_s=2)
    retrying = await system.until(run_id, RunState.RETRYING)
    await node_gone(system)
    await order(system, "restore")
    final = await system.over(run_id)

    assert (retrying.reason, retrying.outcome_class) == (
        "SpotReclaimed",
        OutcomeClass.INFRASTRUCTURE,
    )
    assert retrying.status_text == (
        f"lost its place on spot node {NODE} (Terminated: Pod was terminated in response to"
        " imminent node shutdown.)"
    )
    assert (final.state, final.attempt) == (RunState.COMPLETED, 2)


async def test_a_watcher_that_comes_after_pod_and_node_are_gone_knows_it_all_the_same(
    system: System,
) -> None:
    run_id = await running_on_spot(system, "later")
    watcher = system.stack.services[WATCHER]
    watcher.kill()
    await watcher.wait()

    await order(system, "reclaim")
    await node_gone(system)
    await system.pods_gone(run_id)
    await watcher.start()
    retrying = await system.until(run_id, RunState.RETRYING)
    await order(system, "restore")
    final = await system.over(run_id)

    assert retrying.reason == "SpotReclaimed"
    assert "PodLost" in retrying.status_text
    assert (final.state, final.attempt) == (RunState.COMPLETED, 2)


async def test_a_program_that_fails_on_a_spot_node_has_failed_by_itself(system: System) -> None:
    run_id = await running_on_spot(system, "fails", command=["sh", "-c", "sleep 1; exit 3"])

    final = await system.over(run_id)

    assert (final.state, final.reason, final.exit_code) == (RunState.ERROR, "Error", 3)
    assert final.outcome_class is OutcomeClass.USER


async def test_where_nodes_may_not_be_read_the_reason_is_kubernetes_own(system: System) -> None:
    watcher = system.stack.services[WATCHER]
    watcher.kill()
    await watcher.wait()
    await system.fault(method="GET", path="/api/v1/nodes/*", status=403, for_s=60)
    await watcher.start()
    run_id = await system.submit("blind", preemption_mode="constrain", command=FIRST_LASTS)
    status = await system.until(run_id, RunState.RUNNING)

    await order(system, "reclaim", notice_s=2)
    final = await system.over(run_id)
    await system.no_faults()

    assert [(each.node, each.spot) for each in status.pods] == [(NODE, None)]
    assert (final.reason, final.outcome_class) == ("Terminated", OutcomeClass.INFRASTRUCTURE)
