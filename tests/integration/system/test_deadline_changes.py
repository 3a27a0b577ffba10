"""Deadlines of live runs that are extended, moved, paused and resumed by command."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from runbus.contracts import codec, subjects
from runbus.contracts.commands import ChangeDeadline, DeadlineAction
from runbus.contracts.replies import DeadLetter
from runbus.contracts.states import RunState, Threshold
from runbus.contracts.streams import DEADLETTERS
from runbus.sdk.changing import DeadlineRefusedError
from support.system import PROJECT, System, sleeping

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]


def asked(action: DeadlineAction, **fields: object) -> ChangeDeadline:
    values = {"threshold": Threshold.RUNNING, "action": action, "by": "ann", "message": "soon done"}
    return ChangeDeadline(**(values | fields))  # type: ignore[arg-type]


async def a_running_run(system: System, *, seconds: float, limit: str) -> str:
    run_id = await system.submit(
        "dl", command=sleeping(seconds), state_thresholds={"running": limit}
    )
    await system.until(run_id, RunState.RUNNING)
    return run_id


async def test_a_run_with_more_time_comes_to_its_own_end(system: System) -> None:
    run_id = await a_running_run(system, seconds=4, limit="2s")

    status = await system.client.change_deadline(
        PROJECT, run_id, asked(DeadlineAction.EXTEND, extend_s=60.0)
    )
    final = await system.over(run_id)

    assert status.deadline == status.since + timedelta(seconds=62)
    assert final.state is RunState.COMPLETED


async def test_a_run_whose_deadline_is_moved_closer_is_aborted_then(system: System) -> None:
    run_id = await a_running_run(system, seconds=60, limit="1h")

    at = datetime.now(UTC) + timedelta(seconds=1)
    status = await system.client.change_deadline(PROJECT, run_id, asked(DeadlineAction.MOVE, at=at))
    final = await system.over(run_id)

    assert status.deadline == at
    assert (final.state, final.reason) == (RunState.ABORTED, "ThresholdExceeded")


async def test_a_paused_clock_aborts_nobody_until_it_is_resumed(system: System) -> None:
    run_id = await a_running_run(system, seconds=60, limit="3s")

    paused = await system.client.change_deadline(PROJECT, run_id, asked(DeadlineAction.PAUSE))
    await asyncio.sleep(4)
    still = await system.client.get(PROJECT, run_id)
    resumed = await system.client.change_deadline(PROJECT, run_id, asked(DeadlineAction.RESUME))
    final = await system.over(run_id)

    assert paused.deadline is None
    assert still.status.state is RunState.RUNNING
    assert resumed.thresholds["running"].extended_s > 4
    assert final.state is RunState.ABORTED


async def test_the_same_command_twice_is_carried_out_once(system: System) -> None:
    run_id = await a_running_run(system, seconds=60, limit="1h")
    command = codec.encode(asked(DeadlineAction.EXTEND, extend_s=60.0))
    subject = subjects.command(subjects.DEADLINE, PROJECT, run_id)

    for _ in range(2):
        await system.client.bus.publish(subject, command, {"Nats-Msg-Id": f"once-{run_id}"})
    status = await system.client.change_deadline(
        PROJECT, run_id, asked(DeadlineAction.EXTEND, extend_s=1.0)
    )
    await system.client.abort(PROJECT, run_id, by="ann")

    assert status.thresholds["running"].extended_s == 61


async def test_a_change_that_cannot_be_made_is_told_at_once(system: System) -> None:
    run_id = await a_running_run(system, seconds=60, limit="1h")

    with pytest.raises(DeadlineRefusedError, match="is not paused"):
        await system.client.change_deadline(PROJECT, run_id, asked(DeadlineAction.RESUME))
    await system.client.abort(PROJECT, run_id, by="ann")


async def test_a_refused_command_is_among_the_dead_letters_with_its_reason(system: System) -> None:
    run_id = await a_running_run(system, seconds=60, limit="1h")
    subject = subjects.command(subjects.DEADLINE, PROJECT, run_id)

    sequence = await system.client.bus.publish(
        subject, codec.encode(asked(DeadlineAction.RESUME)), {}
    )
    async with asyncio.timeout(20):
        while not (letter := await _letter(system, sequence)):
            await asyncio.sleep(0.05)
    await system.client.abort(PROJECT, run_id, by="ann")

    assert (letter.reason, letter.run_id) == ("the clock of running is not paused", run_id)


async def _letter(system: System, sequence: int) -> DeadLetter | None:
    """Return the newest dead letter of the watcher if it is of a command."""
    subject = subjects.dead_letter("state-watcher")
    message = await system.client.bus.last_message(DEADLETTERS, subject)
    letter = codec.decode(DeadLetter, message.data) if message is not None else None
    return letter if letter is not None and letter.sequence == sequence else None
