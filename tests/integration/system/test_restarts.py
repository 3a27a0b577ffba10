"""Each service killed, or stopped in order, in the middle of runs: nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import time

import pytest

from runbus.cli.stack.service import SERVICES
from runbus.contracts.states import RunState
from support.system import System, sleeping

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]

DRAIN_S = 10.0


async def submit_all_fates(system: System, mark: str) -> dict[str, RunState]:
    """Submit runs of every fate; return what each has to come to."""
    expected: dict[str, RunState] = {}
    for number in range(3):
        name = f"{mark}{number}"
        fine = await system.submit(f"fine-{name}", command=sleeping(1))
        fails = await system.submit(f"fails-{name}", command=["sh", "-c", "sleep 1; exit 1"])
        image = await system.submit(
            f"image-{name}", image="missing:1", state_thresholds={"image_pull_backoff": "3s"}
        )
        long = await system.submit(
            f"long-{name}", command=sleeping(100), state_thresholds={"running": "3s"}
        )
        again = await system.submit(
            f"again-{name}",
            command=["sh", "-c", 'test "$RUNBUS_ATTEMPT" = 2'],
            retry={"limit": 1, "backoff": "1s", "on": ["user"]},
        )
        expected |= {
            fine: RunState.COMPLETED,
            fails: RunState.ERROR,
            image: RunState.ABORTED,
            long: RunState.ABORTED,
            again: RunState.COMPLETED,
        }
    return expected


async def fates(system: System, expected: dict[str, RunState]) -> dict[str, RunState]:
    return {run_id: (await system.over(run_id)).state for run_id in expected}


async def nothing_left(system: System, run_ids: list[str]) -> None:
    """Check that no pod of these runs still runs, and no attempt was made twice."""
    for run_id in run_ids:
        pods = await system.pods_of(run_id)
        assert [
            pod["metadata"]["name"]
            for pod in pods
            if pod["status"]["phase"] not in {"Succeeded", "Failed"}
        ] == []


@pytest.mark.parametrize("service", SERVICES)
async def test_killed_in_the_middle_of_runs(system: System, service: str) -> None:
    expected = await submit_all_fates(system, "k")
    await asyncio.sleep(0.3)
    process = system.stack.services[service]
    process.kill()
    await process.wait()
    sent = await system.client.send(
        {"project": "nlp", "name": "meanwhile", "kind": "job", "image": "x:1", "command": ["true"]}
    )
    await process.start()

    expected[sent.run_id] = RunState.COMPLETED
    assert await fates(system, expected) == expected
    await nothing_left(system, list(expected))
    await process.wait_ready(30)


@pytest.mark.parametrize("service", SERVICES)
async def test_stopped_in_order_it_drains_within_ten_seconds(system: System, service: str) -> None:
    expected = await submit_all_fates(system, "s")
    process = system.stack.services[service]
    started = time.monotonic()
    process.terminate()
    exit_code = await process.wait()
    took_s = time.monotonic() - started
    await process.start()

    assert exit_code == 0
    assert took_s < DRAIN_S + 1
    assert await fates(system, expected) == expected
    await nothing_left(system, list(expected))
    await process.wait_ready(30)


async def test_a_recorded_clock_goes_on_where_it_was_when_the_watcher_is_killed(
    system: System,
) -> None:
    run_id = await system.submit("clock", command=sleeping(100), state_thresholds={"running": "4s"})
    running = await system.until(run_id, RunState.RUNNING)
    watcher = system.stack.services["state-watcher"]
    watcher.kill()
    await watcher.wait()
    await watcher.start()

    final = await system.over(run_id)

    assert final.state is RunState.ABORTED
    assert final.abort is not None
    assert final.abort.since == running.since
    assert final.abort.by == "threshold"
    await watcher.wait_ready(30)
