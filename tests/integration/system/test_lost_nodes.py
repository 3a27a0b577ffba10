"""Nodes that do not answer: when a pod is forced away, and what is said about it.

No kubelet runs here: the tests write nodes and statuses themselves, and nobody confirms a delete.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from runbus.contracts.states import RunState
from runbus.contracts.status import RunStatus
from support.system import PROJECT, System, running_system

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    folder = tmp_path_factory.mktemp("nodes")
    async with running_system(
        folder,
        cluster=["--no-runner", "--node-grace-s=100000"],
        RUNBUS_UNREACHABLE_FORCE_AFTER_S="4",
    ) as system:
        yield system


async def a_node(system: System, name: str, ready: str) -> None:
    node: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"name": name}},
    }
    await system.kube("POST", "/api/v1/nodes", node)
    status = {
        "capacity": {"cpu": "8", "memory": "8Gi", "pods": "110"},
        "allocatable": {"cpu": "8", "memory": "8Gi", "pods": "110"},
        "conditions": [{"type": "Ready", "status": ready}],
    }
    code = 409
    while code == 409:  # the cluster writes its taints meanwhile
        _, found = await system.kube("GET", f"/api/v1/nodes/{name}")
        code, answer = await system.kube(
            "PUT", f"/api/v1/nodes/{name}/status", found | {"status": status}
        )
    assert code == 200, answer


async def a_running_run(system: System, node: str, **settings: Any) -> str:
    """Submit a run, and say as a kubelet would that it runs."""
    run_id = await system.submit(
        f"on-{node}",
        node_selector={"name": node},
        termination_grace_period="1s",
        **settings,
    )
    pending = await system.until(run_id, RunState.PENDING_SCHEDULED)
    path = f"/api/v1/namespaces/{PROJECT}/pods/{pending.pods[0].name}"
    _, pod = await system.kube("GET", path)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    pod["status"] |= {
        "phase": "Running",
        "containerStatuses": [
            {
                "name": "main",
                "image": "x:1",
                "imageID": "",
                "ready": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            }
        ],
    }
    code, answer = await system.kube("PUT", f"{path}/status", pod)
    assert code == 200, answer
    await system.until(run_id, RunState.RUNNING)
    return run_id


async def aborted(system: System, run_id: str) -> RunStatus:
    await system.client.abort(PROJECT, run_id, by="ada")
    return await system.over(run_id)


async def test_a_pod_past_its_grace_on_a_ready_node_is_forced_away(system: System) -> None:
    await a_node(system, "good", "True")

    final = await aborted(system, await a_running_run(system, "good"))

    assert final.state is RunState.ABORTED
    assert "may still run" not in final.status_text


async def test_a_pod_on_a_silent_node_is_forced_away_later_and_that_is_said(
    system: System,
) -> None:
    await a_node(system, "silent", "True")
    run_id = await a_running_run(system, "silent")
    await a_node(system, "silent", "Unknown")

    final = await aborted(system, run_id)

    assert final.state is RunState.ABORTED
    assert "it may still run on node silent" in final.status_text


async def test_a_pod_whose_node_is_gone_is_forced_away_at_once(system: System) -> None:
    await a_node(system, "gone", "True")
    run_id = await a_running_run(system, "gone")
    await system.kube("DELETE", "/api/v1/nodes/gone")

    final = await aborted(system, run_id)

    assert final.state is RunState.ABORTED
    assert "may still run" not in final.status_text


async def test_a_lost_run_that_may_still_run_somewhere_is_not_retried(system: System) -> None:
    await a_node(system, "lost", "True")
    run_id = await a_running_run(
        system,
        "lost",
        state_thresholds={"running": "1s"},
        retry={"limit": 3, "backoff": "1s", "on": ["running"]},
    )
    await a_node(system, "lost", "Unknown")

    final = await system.over(run_id)

    assert (final.state, final.attempt) == (RunState.ABORTED, 1)
