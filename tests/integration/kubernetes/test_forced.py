"""What no kubelet does on demand, forced on a real control plane by one that is scripted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from runbus.contracts.states import RunState
from support.control_plane.plane import ControlPlane
from support.control_plane.scripted import ScriptedKubelet
from support.system import PROJECT, System

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]
_NUMBERS = count(1)


@pytest.fixture
def node(control_plane: ControlPlane) -> Iterator[ScriptedKubelet]:
    with ScriptedKubelet(control_plane, f"scripted-{next(_NUMBERS)}") as kubelet:
        yield kubelet


async def placed(system: System, node: ScriptedKubelet, **settings: Any) -> tuple[str, str]:
    """Submit a run for a node; return its id, and its pod's path once it is placed there."""
    run_id = await system.submit(
        "forced", node_selector=node.selector, termination_grace_period="2s", **settings
    )
    status = await system.until(run_id, RunState.PENDING_SCHEDULED)
    return run_id, f"/api/v1/namespaces/{status.namespace}/pods/{status.pods[0].name}"


async def deletion_asked(system: System, pod: str) -> None:
    async with asyncio.timeout(20):
        while not (await system.kube("GET", pod))[1]["metadata"].get("deletionTimestamp"):
            await asyncio.sleep(0.05)


async def test_an_image_that_can_be_pulled_after_all_lets_its_run_complete(
    system: System, node: ScriptedKubelet
) -> None:
    run_id, pod = await placed(system, node)
    node.waits(pod, "ErrImagePull")
    node.waits(pod, "ImagePullBackOff")
    await system.until(run_id, RunState.IMAGE_PULL_BACKOFF)
    node.runs(pod)
    await system.until(run_id, RunState.RUNNING)
    node.ends(pod)

    assert (await system.over(run_id)).state is RunState.COMPLETED


async def test_a_start_that_takes_too_long_is_over_once_its_deletion_is_confirmed(
    system: System, node: ScriptedKubelet
) -> None:
    run_id, pod = await placed(system, node, state_thresholds={"pending_scheduled": "2s"})
    node.waits(pod, "ContainerCreating")
    await deletion_asked(system, pod)
    assert (await system.client.get(PROJECT, run_id)).status.state is not RunState.ABORTED

    assert node.confirms(pod) == 200
    final = await system.over(run_id)

    assert (final.state, final.reason) == (RunState.ABORTED, "ThresholdExceeded")


async def test_the_pod_of_a_node_that_is_lost_is_forced_away(
    system: System, node: ScriptedKubelet
) -> None:
    run_id, pod = await placed(system, node)
    node.runs(pod)
    await system.until(run_id, RunState.RUNNING)
    node.says("Unknown")

    await system.client.abort(PROJECT, run_id, by="ada")
    final = await system.over(run_id)

    assert final.state is RunState.ABORTED
    assert await system.pods_of(run_id) == []


async def test_a_reclaimed_spot_node_ends_its_run_as_the_platforms_fault(
    system: System, node: ScriptedKubelet
) -> None:
    run_id, pod = await placed(system, node)
    node.runs(pod)
    await system.until(run_id, RunState.RUNNING)
    node.shuts_down(pod)
    node.is_taken_away()
    final = await system.over(run_id)

    assert final.state is RunState.ERROR
    assert final.outcome_class is not None
    assert final.outcome_class.value == "infrastructure"


async def test_a_kubelet_that_lies_late_changes_no_result(
    system: System, node: ScriptedKubelet
) -> None:
    run_id, pod = await placed(system, node)
    node.runs(pod)
    node.ends(pod)
    final = await system.over(run_id)
    assert final.state is RunState.COMPLETED

    node.ends(pod, exit_code=1)
    await asyncio.sleep(1)  # nothing tells that a watcher has passed over a status

    assert (await system.client.get(PROJECT, run_id)).status.state is final.state
