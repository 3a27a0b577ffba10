"""kube_qps on a real API server: the rate holds, and what waits stays on the bus."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from runbus.contracts.transitions import Publisher
from support.control_plane.plane import ControlPlane
from support.observing import total
from support.system import OVER_TIMEOUT_S, PROJECT, System, running_system, scraped

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]

QPS = 8
RUNS = 40  # more than the launcher holds at this rate: 16
POLL_S = 0.1


async def until_all_pods(system: System, namespace: str) -> None:
    async with asyncio.timeout(OVER_TIMEOUT_S):
        while True:
            _, found = await system.kube("GET", f"/api/v1/namespaces/{namespace}/pods")
            if len(found["items"]) == RUNS:
                return
            await asyncio.sleep(POLL_S)


async def test_pods_come_at_the_rate_and_no_run_is_put_off(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with running_system(
        tmp_path,
        defaults=f"namespaces: {{{PROJECT}: {namespace}}}\n",
        kubeconfig=str(control_plane.kubeconfig()),
        RUNBUS_KUBE_QPS=str(QPS),
        RUNBUS_KUBE_BURST="1",
    ) as system:
        began = time.monotonic()
        for number in range(RUNS):
            await system.submit(f"paced-{number}")
        await until_all_pods(system, namespace)
        took_s = time.monotonic() - began
        metrics = await scraped(system, Publisher.POD_LAUNCHER)

    waited = metrics["runbus_kube_rate_limiter_duration_seconds"].samples
    assert took_s >= (RUNS - 1) / QPS
    assert total(metrics["runbus_kube_requests"], method="POST") == RUNS
    assert total(metrics["runbus_messages"], fate="retried") == 0
    assert [each.value for each in waited if each.name.endswith("_count")] == [RUNS]
