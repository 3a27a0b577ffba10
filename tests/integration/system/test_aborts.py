"""Aborts by users, in every state; and what races them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runbus.contracts.states import RunState
from support.chaos import WORLDS
from support.system import PROJECT, System, sleeping

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.system,
    pytest.mark.parametrize("system", WORLDS, indirect=True, scope="module"),
]


async def abort(system: System, run_id: str, project: str = PROJECT) -> None:
    answer = await system.client.abort(project, run_id, by="ada", message="enough")
    assert answer.is_requested


async def test_a_run_that_was_only_accepted_is_aborted_at_once(system: System) -> None:
    async with system.killed("scheduler"):
        run_id = await system.submit("accepted")
        await abort(system, run_id)
        final = await system.over(run_id)

    assert (final.state, final.attempt) == (RunState.ABORTED, 0)


async def test_a_queued_run_is_aborted_at_once(system: System) -> None:
    await system.client.submit(
        {"project": "small", "name": "a", "kind": "job", "image": "x:1", "command": sleeping(3)}
    )
    reply = await system.client.submit(
        {"project": "small", "name": "b", "kind": "job", "image": "x:1"}
    )
    async with asyncio.timeout(10), system.client.events("small", reply.run_id) as events:
        async for event in events:
            if event.status.state is RunState.QUEUED:
                break

    await abort(system, reply.run_id, "small")
    final = await system.over(reply.run_id, "small")

    assert (final.state, final.status_text) == (RunState.ABORTED, "aborted by ada: enough")


@pytest.mark.parametrize(
    ("state", "settings"),
    [
        (RunState.PENDING_NOT_SCHEDULED, {"resources": {"requests": {"cpu": "5000"}}}),
        (RunState.IMAGE_PULL_BACKOFF, {"image": "missing:1"}),
        (RunState.RUNNING, {"command": sleeping(60)}),
        (
            RunState.PENDING_SCHEDULED,
            {"env": [{"name": "X", "secret": {"name": "nowhere", "key": "x"}}]},
        ),
    ],
)
async def test_a_run_is_aborted_in_the_state_it_is_in(
    system: System, state: RunState, settings: dict[str, Any]
) -> None:
    run_id = await system.submit("abortme", **settings)
    await system.until(run_id, state)

    await abort(system, run_id)
    final = await system.over(run_id)

    assert (final.state, final.reason) == (RunState.ABORTED, "AbortedByUser")
    assert final.status_text == "aborted by ada: enough"
    assert await system.pods_of(run_id) == []


async def test_a_run_that_waits_for_its_next_attempt_is_aborted_at_once(system: System) -> None:
    run_id = await system.submit(
        "backoff",
        command=["sh", "-c", "exit 1"],
        retry={"limit": 5, "backoff": "1h", "backoff_max": "2h", "on": ["user"]},
    )
    await system.until(run_id, RunState.RETRYING)

    await abort(system, run_id)
    final = await system.over(run_id)

    assert final.state is RunState.ABORTED


async def test_an_admitted_run_is_aborted_when_no_object_can_appear_any_more(
    system: System,
) -> None:
    async with system.killed("pod-launcher"):
        run_id = await system.submit("admitted")
        await system.until(run_id, RunState.ADMITTED)
        await abort(system, run_id)
        final = await system.over(run_id)

    assert final.state is RunState.ABORTED
    assert await system.pods_of(run_id) == []


async def test_a_user_aborts_what_a_threshold_is_aborting_already(system: System) -> None:
    run_id = await system.submit(
        "overtaken",
        command=["sh", "-c", "trap '' TERM; while true; do sleep 0.1; done"],
        termination_grace_period="3s",
        state_thresholds={"running": "1s"},
    )
    by_threshold = await system.until(run_id, RunState.ABORTING)
    assert by_threshold.reason == "ThresholdExceeded"

    await abort(system, run_id)
    final = await system.over(run_id)

    assert (final.state, final.reason) == (RunState.ABORTED, "AbortedByUser")
    assert await system.pods_of(run_id) == []


async def test_an_abort_while_the_pod_is_created_leaves_nothing(system: System) -> None:
    for number in range(10):
        run_id = await system.submit(f"race{number}", command=sleeping(60))
        await abort(system, run_id)
        final = await system.over(run_id)

        assert final.state is RunState.ABORTED
        await system.pods_gone(run_id)


async def test_an_abort_of_a_final_run_answers_with_the_state_it_has(system: System) -> None:
    run_id = await system.submit("done")
    await system.over(run_id)

    answer = await system.client.abort(PROJECT, run_id, by="ada")

    assert (answer.is_requested, answer.status.state) == (False, RunState.COMPLETED)


async def test_a_program_that_ignores_sigterm_is_killed_after_its_grace(system: System) -> None:
    run_id = await system.submit(
        "stubborn",
        command=["sh", "-c", "trap '' TERM; while true; do sleep 0.1; done"],
        termination_grace_period="1s",
    )
    await system.until(run_id, RunState.RUNNING)

    await abort(system, run_id)
    final = await system.over(run_id)

    assert final.state is RunState.ABORTED


async def test_a_program_that_exits_0_on_sigterm_was_aborted(system: System) -> None:
    run_id = await system.submit(
        "polite", command=["sh", "-c", "trap 'exit 0' TERM; while true; do sleep 0.1; done"]
    )
    await system.until(run_id, RunState.RUNNING)

    await abort(system, run_id)
    final = await system.over(run_id)

    assert final.state is RunState.ABORTED


async def test_an_abort_of_a_run_that_nobody_knows_ends_among_the_dead_letters(
    system: System,
) -> None:
    from runbus.contracts import subjects
    from runbus.contracts.streams import DEADLETTERS

    subject = subjects.command(subjects.ABORT, PROJECT, "nobodyknows2")
    await system.client.bus.publish(subject, b"not json")

    async with asyncio.timeout(40):
        while True:
            letter = await system.client.bus.last_message(
                DEADLETTERS, subjects.dead_letter("aborter")
            )
            if letter is not None:
                break
            await asyncio.sleep(0.1)
    assert b"nobodyknows2" in letter.data
