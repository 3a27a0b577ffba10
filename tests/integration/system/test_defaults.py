"""The operator's defaults are changed while the system runs; nothing is started again."""

from __future__ import annotations

import pytest

from runbus.contracts.states import RunState
from runbus.sdk.defaults import newest_defaults, store_defaults
from support.system import System, running_system

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]

OLD = """
preemptible_nodes: {preset: aks}
defaults: {state_thresholds: {running: 1h}}
projects: {nlp: {limits: {concurrent_runs: 0}}}
"""
NEW = """
defaults: {state_thresholds: {running: 2h}}
projects: {nlp: {limits: {concurrent_runs: 10}}}
"""
HOUR_S = 3600.0
SPOT = "kubernetes.azure.com/scalesetpriority"


async def put(system: System, text: str) -> None:
    """Store defaults on the bus."""
    newest = await newest_defaults(system.client.bus)
    after = newest.revision if newest is not None else 0
    await store_defaults(system.client.bus, text.encode(), author="test", after=after)


async def running_limit_s(system: System, run_id: str) -> float | None:
    """Return the limit on running with which a run was accepted."""
    status = await system.until(run_id, RunState.ACCEPTED)
    return status.thresholds["running"].limit_s


async def kept_off(system: System, run_id: str) -> list[str]:
    """Return the labels of nodes that the pod of a run keeps away from."""
    (pod,) = await system.pods_of(run_id)
    nodes = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
    required = nodes.get("requiredDuringSchedulingIgnoredDuringExecution", {})
    return [
        each["key"]
        for term in required.get("nodeSelectorTerms", ())
        for each in term["matchExpressions"]
        if each["operator"] == "NotIn"
    ]


async def scraped(system: System, service: str) -> list[str]:
    """Return the lines of a service's metrics."""
    async with system.http.get(f"{system.stack.services[service].health_url}/metrics") as answer:
        return (await answer.text()).splitlines()


async def test_a_change_holds_at_once_and_accepted_runs_keep_what_they_had(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("defaults")
    async with running_system(folder, defaults=OLD) as system:
        pids = {each.name: each.pid for each in system.stack.processes}
        queued = await system.submit("before")
        await system.until(queued, RunState.QUEUED)

        await put(system, NEW)
        final = await system.over(queued)
        assert (final.state, final.thresholds["running"].limit_s) == (RunState.COMPLETED, HOUR_S)
        assert await kept_off(system, queued) == [SPOT]  # what a spot node was at acceptance
        later = await system.submit("after")
        assert await running_limit_s(system, later) == 2 * HOUR_S
        assert (await system.over(later)).state is RunState.COMPLETED
        assert await kept_off(system, later) == []

        await put(system, "defaults: {state_thresholds: {running: never}}")  # refused: no effect
        third = await system.submit("third")
        assert await running_limit_s(system, third) == 2 * HOUR_S
        assert (await system.over(third)).state is RunState.COMPLETED
        for service in ("spec-validator", "scheduler"):
            metrics = await scraped(system, service)
            assert "runbus_defaults_revision 1.0" in metrics
            assert "runbus_defaults_rejected_total 1.0" in metrics
            ready = f"{system.stack.services[service].health_url}/readyz"
            async with system.http.get(ready) as answer:
                assert answer.status == 200
        assert {each.name: each.pid for each in system.stack.processes} == pids
