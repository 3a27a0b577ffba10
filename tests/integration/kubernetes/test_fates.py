"""What becomes of runs on a real control plane, with the local cluster's runner as kubelet."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runbus.contracts.states import RunState
from support.control_plane.plane import ControlPlane
from support.system import PROJECT, System, sleeping

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]
TOO_MUCH = {"resources": {"requests": {"cpu": "5000"}}}
NO_SECRET = {"env": [{"name": "X", "secret": {"name": "nowhere", "key": "x"}}]}
STUCK: list[tuple[str, dict[str, Any]]] = [
    ("pending_not_scheduled", TOO_MUCH),
    ("pending_scheduled", NO_SECRET),
    ("image_pull_backoff", {"image": "missing:1"}),
    ("running", {"command": sleeping(60)}),
]


async def test_a_job_runs_to_completion_and_its_log_is_kept(system: System) -> None:
    run_id = await system.submit("fine", command=["sh", "-c", "echo one; echo two"])

    final = await system.over(run_id)

    assert (final.state, final.exit_code) == (RunState.COMPLETED, 0)
    async with asyncio.timeout(20):
        while not (tails := await system.client.logs(PROJECT, run_id)):
            await asyncio.sleep(0.05)
    assert [tail.text for tail in tails] == ["one\ntwo\n"]


@pytest.mark.parametrize(("state", "settings"), STUCK, ids=[state for state, _ in STUCK])
async def test_a_run_that_is_stuck_is_aborted_and_its_pod_is_gone(
    system: System, state: str, settings: dict[str, Any]
) -> None:
    run_id = await system.submit("stuck", state_thresholds={state: "2s"}, **settings)

    final = await system.over(run_id)

    assert (final.state, final.reason) == (RunState.ABORTED, "ThresholdExceeded")
    assert await system.pods_of(run_id) == []


async def test_a_pod_that_somebody_deletes_ends_its_run(system: System) -> None:
    run_id = await system.submit("vanishes", command=sleeping(60))
    await system.until(run_id, RunState.RUNNING)
    (pod,) = await system.pods_of(run_id)
    meta = pod["metadata"]

    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
    status, _ = await system.kube("DELETE", path, {"gracePeriodSeconds": 0})
    assert status == 200
    final = await system.over(run_id)

    assert final.state in {RunState.ERROR, RunState.ABORTED}


async def test_a_killed_api_server_costs_no_run(
    system: System, control_plane: ControlPlane
) -> None:
    ends = await system.submit("ends", command=sleeping(4))
    stuck = await system.submit("stuck", command=sleeping(90), state_thresholds={"running": "5s"})
    await system.until(ends, RunState.RUNNING)
    await system.until(stuck, RunState.RUNNING)

    await asyncio.to_thread(control_plane.restart_api_server)
    fresh = await system.submit("fresh")

    assert (await system.over(ends)).state is RunState.COMPLETED
    assert (await system.over(stuck)).state is RunState.ABORTED
    assert (await system.over(fresh)).state is RunState.COMPLETED
