"""The chart's Roles on a real API server: each service works with its own account, and no more.

Both variants of `deploy/rendered`, applied as they are: a Role in each namespace, and ClusterRoles.
The judge is Kubernetes' own authorizer: by its audit log, by its reviews, and by what it refuses.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from runbus.cli.stack.probe import get
from runbus.contracts.states import RunState
from runbus.contracts.transitions import Publisher
from runbus.sdk.defaults import store_defaults
from support.control_plane.accounts import ACCOUNTS, Variant
from support.control_plane.kubelet import Kubelet
from support.control_plane.plane import ControlPlane
from support.control_plane.scripted import ScriptedKubelet
from support.least_rights import GRACE_S, OVER_S, GuardedServices, guarded_services
from support.pods import autoscaler_event
from support.system import PROJECT, sleeping

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]

PODS = "/api/v1/namespaces/{}/pods"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(
    variant: Variant,
    control_plane: ControlPlane,
    kubelet: Kubelet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[GuardedServices]:
    assert kubelet
    async with guarded_services(
        tmp_path_factory.mktemp("rights"),
        {each: control_plane.kubeconfig(account) for each, account in ACCOUNTS.items()},
        RUNBUS_NAMESPACES=",".join(variant.namespaces),
        RUNBUS_UNREACHABLE_FORCE_AFTER_S="4",
    ) as system:
        # Which nodes are spot nodes: a question that takes the right to read one.
        defaults = b"preemptible_nodes: {preset: gke}\n"
        await store_defaults(system.client.bus, defaults, author="ada", after=0)
        yield system


async def test_a_run_completes_and_its_log_is_kept(system: GuardedServices) -> None:
    run_id = await system.submit("fine", command=["sh", "-c", "echo one; sleep 2"])
    assert (await system.over(run_id)).state is RunState.COMPLETED
    await tail(system, run_id, "one\n")


async def tail(system: GuardedServices, run_id: str, text: str) -> None:
    async with asyncio.timeout(OVER_S):
        while [each.text for each in await system.client.logs(PROJECT, run_id)] != [text]:
            await asyncio.sleep(0.05)


async def test_a_stuck_run_is_aborted_with_evidence(system: GuardedServices) -> None:
    run_id = await system.submit(
        "stuck", image="missing:1", state_thresholds={"image_pull_backoff": "2s"}
    )
    final = await system.over(run_id)
    assert (final.state, final.reason) == (RunState.ABORTED, "ThresholdExceeded")
    async with asyncio.timeout(OVER_S):
        while not await system.client.evidence(PROJECT, run_id):
            await asyncio.sleep(0.05)


async def test_a_run_that_takes_too_long_is_aborted_with_the_end_of_its_log(
    system: GuardedServices,
) -> None:
    command = ["sh", "-c", "echo waits; exec sleep 60"]
    run_id = await system.submit("slow", command=command, state_thresholds={"running": "3s"})
    assert (await system.over(run_id)).reason == "ThresholdExceeded"
    await tail(system, run_id, "waits\n")


async def test_a_user_aborts(system: GuardedServices) -> None:
    run_id = await system.submit("abortme", command=sleeping(60))
    await system.until(run_id, RunState.RUNNING)
    await system.client.abort(PROJECT, run_id, by="ada", message="enough")
    assert (await system.over(run_id)).reason == "AbortedByUser"


async def test_a_run_that_fails_is_tried_again(system: GuardedServices) -> None:
    retry = {"limit": 1, "backoff": "1s", "on": ["user"]}
    run_id = await system.submit("fails", command=["sh", "-c", "exit 3"], retry=retry)
    final = await system.over(run_id)
    assert (final.state, final.attempt, final.exit_code) == (RunState.ERROR, 2, 3)


async def test_what_an_autoscaler_says_is_heard(
    system: GuardedServices, control_plane: ControlPlane
) -> None:
    run_id = await system.submit(
        "big",
        resources={"requests": {"cpu": "5000"}},
        state_thresholds={"pending_not_scheduled": "3s"},
    )
    status = await system.until(run_id, RunState.PENDING_NOT_SCHEDULED)
    pods = PODS.format(status.namespace)
    pod = control_plane.request("GET", f"{pods}/{status.pods[0].name}")[1]
    event = autoscaler_event(pod["metadata"], "NotTriggerScaleUp", "max node group size reached")
    events = f"/api/v1/namespaces/{status.namespace}/events"
    assert control_plane.request("POST", events, event)[0] == 201
    final = await system.over(run_id)
    assert final.status_text.endswith("NotTriggerScaleUp: max node group size reached")


async def test_the_pod_of_a_lost_node_is_forced_away(
    system: GuardedServices, variant: Variant, control_plane: ControlPlane
) -> None:
    with ScriptedKubelet(control_plane, f"lost-{len(variant.namespaces)}") as node:
        run_id = await system.submit(
            "lost", node_selector=node.selector, termination_grace_period="2s"
        )
        status = await system.until(run_id, RunState.PENDING_SCHEDULED)
        node.runs(f"{PODS.format(status.namespace)}/{status.pods[0].name}")
        await system.until(run_id, RunState.RUNNING)
        node.says("Unknown")
        await system.client.abort(PROJECT, run_id, by="ada")
        assert (await system.over(run_id)).state is RunState.ABORTED


@pytest.mark.parametrize("publisher", list(Publisher))
async def test_each_service_is_ready_and_kubernetes_has_refused_it_nothing(
    system: GuardedServices, publisher: Publisher
) -> None:
    status, told = await get(f"{system.services[publisher.value].health_url}/readyz")
    refused = await system.counted(publisher.value, "runbus_kube_requests", code="403")
    assert (refused, status) == (0, 200), told


@pytest.mark.parametrize("publisher", list(Publisher))
async def test_a_role_is_what_its_service_has_used(
    system: GuardedServices,
    variant: Variant,
    control_plane: ControlPlane,
    publisher: Publisher,
) -> None:
    await system.services[publisher.value].stop(GRACE_S)  # watches are written down at their end
    judged = control_plane.judged(ACCOUNTS[publisher])
    assert [each.ask for each in judged if not each.is_allowed] == []
    used = {each.ask.right for each in judged}
    assert used == {each.right for each in variant.grants[publisher]}
