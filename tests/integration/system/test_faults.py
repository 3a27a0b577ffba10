"""The world misbehaves in the middle of runs: watches, the API server, the bus; and races."""

from __future__ import annotations

import asyncio
import base64

import pytest

from runbus.contracts import labels
from runbus.contracts.states import RunState
from support.system import PROJECT, System, sleeping

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]

FAULTS = "/localcluster/v1/faults"


async def submit_several(system: System, mark: str) -> dict[str, RunState]:
    """Submit runs that are under way for some seconds; return what each has to come to."""
    return {
        await system.submit(f"fine-{mark}", command=sleeping(2)): RunState.COMPLETED,
        await system.submit(
            f"long-{mark}", command=sleeping(100), state_thresholds={"running": "3s"}
        ): RunState.ABORTED,
        await system.submit(
            f"image-{mark}", image="missing:1", state_thresholds={"image_pull_backoff": "3s"}
        ): RunState.ABORTED,
    }


async def came_to(system: System, expected: dict[str, RunState]) -> None:
    found = {run_id: (await system.over(run_id)).state for run_id in expected}
    assert found == expected


async def test_a_watch_that_is_cut_goes_on_where_it_was(system: System) -> None:
    expected = await submit_several(system, "cut")
    for _ in range(5):
        await system.kube("POST", f"{FAULTS}/cut-watches")
        await asyncio.sleep(0.3)

    await came_to(system, expected)


async def test_a_watch_whose_history_is_gone_lists_again(system: System) -> None:
    expected = await submit_several(system, "gone")
    await system.kube("POST", f"{FAULTS}/forget-history")
    await system.kube("POST", f"{FAULTS}/cut-watches")

    await came_to(system, expected)


async def test_a_run_whose_pod_loses_the_label_that_is_watched_goes_on_to_its_end(
    system: System,
) -> None:
    run_id = await system.submit("unlabelled", command=sleeping(4))
    await system.until(run_id, RunState.RUNNING)
    (pod,) = await system.pods_of(run_id)
    del pod["metadata"]["labels"][labels.SHARD]
    path = f"/api/v1/namespaces/{PROJECT}/pods/{pod['metadata']['name']}"
    code, answer = await system.kube("PUT", path, pod)
    assert code == 200, answer

    final = await system.over(run_id)

    assert (final.state, final.attempt) == (RunState.COMPLETED, 1)


async def test_while_the_api_server_does_not_answer_nobody_is_aborted(system: System) -> None:
    run_id = await system.submit(
        "patient", image="missing:1", state_thresholds={"image_pull_backoff": "2s"}
    )
    entered = await system.until(run_id, RunState.IMAGE_PULL_BACKOFF)
    await system.fault(method="*", path="/api/*", for_s=5.0, status=503)
    await system.kube("POST", f"{FAULTS}/cut-watches")

    aborting = await system.until(run_id, RunState.ABORTING)
    final = await system.over(run_id)

    assert (aborting.since - entered.since).total_seconds() > 4
    assert final.state is RunState.ABORTED


async def test_a_create_that_hangs_is_asked_again_and_makes_one_pod(system: System) -> None:
    await system.fault(method="POST", path="/api/v1/namespaces/*/pods", count=1, hang_s=12.0)

    run_id = await system.submit("hangs", command=sleeping(1))
    final = await system.over(run_id)

    assert (final.state, final.attempt) == (RunState.COMPLETED, 1)
    assert len(await system.pods_of(run_id)) == 1


async def test_the_bus_killed_with_its_store_kept_loses_no_run(system: System) -> None:
    expected = await submit_several(system, "bus")
    nats = system.stack.nats
    nats.kill()
    await nats.wait()
    await nats.start()
    await nats.wait_ready(20)
    async with asyncio.timeout(20):
        while not system.client.bus.is_connected:
            await asyncio.sleep(0.05)

    await came_to(system, expected)
    await came_to(system, {await system.submit("after"): RunState.COMPLETED})


async def test_a_pod_that_starts_while_its_abort_is_under_way_is_left_alone(
    system: System,
) -> None:
    run_id = await system.submit(
        "justintime",
        command=sleeping(2),
        env=[{"name": "X", "secret": {"name": "late-secret", "key": "x"}}],
        state_thresholds={"pending_scheduled": "2s"},
    )
    await system.until(run_id, RunState.PENDING_SCHEDULED)
    # The delete is on its way for three seconds; meanwhile the secret turns up and it starts.
    await system.fault(method="DELETE", path="/api/v1/namespaces/*/pods/*", count=1, hang_s=3.0)
    await system.until(run_id, RunState.ABORTING)
    status, _ = await system.kube(
        "POST",
        "/api/v1/namespaces/nlp/secrets",
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "late-secret"},
            "data": {"x": base64.b64encode(b"1").decode()},
        },
    )
    assert status == 201

    final = await system.over(run_id)
    types = []
    async with system.client.events(PROJECT, run_id) as events:
        types = [event.event_type async for event in events]

    assert final.state is RunState.COMPLETED
    assert "abort_withdrawn" in types


async def test_a_users_abort_of_a_pod_that_completes_meanwhile_is_one_or_the_other(
    system: System,
) -> None:
    for number in range(5):
        run_id = await system.submit(f"close{number}", command=sleeping(0.3))
        await system.until(run_id, RunState.RUNNING)
        await asyncio.sleep(0.05 * number)
        await system.client.abort(PROJECT, run_id, by="ada")

        final = await system.over(run_id)

        assert final.state in {RunState.COMPLETED, RunState.ABORTED}


async def test_a_poisoned_message_blocks_nothing(system: System) -> None:
    from runbus.contracts import subjects
    from runbus.contracts.streams import DEADLETTERS

    subject = subjects.command(subjects.CLEANUP, PROJECT, "poisonpoison")
    for _ in range(3):
        await system.client.bus.publish(subject, b"\xff not json")

    await came_to(system, await submit_several(system, "poison"))
    letter = await system.client.bus.last_message(DEADLETTERS, subjects.dead_letter("aborter"))
    assert letter is not None
    assert b"CleanUpObjects" in letter.data
