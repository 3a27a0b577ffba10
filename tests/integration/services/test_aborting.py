"""Two aborts of one run at the same moment, on a real server."""

from __future__ import annotations

from datetime import datetime

import structlog

from runbus.aborter.handler import AbortHandler
from runbus.contracts import codec, subjects
from runbus.contracts.commands import AbortRun
from runbus.contracts.envelope import Envelope
from runbus.contracts.states import RunState
from runbus.contracts.transitions import Publisher
from runbus.runtime.clock import SystemClock
from runbus.runtime.inbox import Delivery
from runbus.runtime.runlog import RunLog, RunRecord
from support.buses import TestBus, a_bus_behind
from support.clocks import ManualClock
from support.runs import PROJECT, RUN_ID, at

NOW = at(1)


class Overtaken(RunLog):
    """A run log whose first reader is overtaken by another abort before it publishes."""

    overtaken_by: AbortRun | None = None

    async def newest(self, project: str, run_id: str, *, since: int = 0) -> RunRecord | None:
        record = await super().newest(project, run_id, since=since)
        command, self.overtaken_by = self.overtaken_by, None
        if command is not None:
            await handle(self, command)
        return record


async def handle(run_log: RunLog, command: AbortRun) -> str:
    handler = AbortHandler(run_log, ManualClock(NOW), structlog.get_logger(), lambda record: None)
    return await handler.handle(delivery(command, NOW))


def delivery(command: AbortRun, stored_at: datetime) -> Delivery:
    return Delivery(
        subject=subjects.command(subjects.ABORT, PROJECT, RUN_ID),
        data=codec.encode(command),
        headers={},
        envelope=Envelope(id="c", type="", source="ann"),
        sequence=1,
        deliveries=1,
        stored_at=stored_at,
        reply="",
    )


async def test_a_users_abort_is_not_taken_for_a_thresholds_that_was_stored_first(
    on: TestBus,
) -> None:
    admitted = await on.admit(await on.accept())
    run_log = Overtaken(on.bus, Publisher.ABORTER, SystemClock())
    run_log.overtaken_by = AbortRun(
        by="threshold",
        by_user=False,
        reason="ThresholdExceeded",
        attempt=admitted.status.attempt,
        if_sequence=admitted.sequence,
    )

    outcome = await handle(run_log, AbortRun(by="ann", by_user=True))

    newest = await run_log.newest(PROJECT, RUN_ID)
    assert outcome == "aborting"
    assert newest is not None
    assert newest.status.abort is not None
    assert (newest.status.abort.by, newest.status.abort.by_user) == ("ann", True)
    assert newest.status.abort.state is RunState.ADMITTED


async def test_a_thresholds_abort_waits_for_the_event_that_it_was_judged_by(on: TestBus) -> None:
    accepted = await on.accept()
    bus = await a_bus_behind(on)
    admitted = await on.admit(accepted)
    command = AbortRun(
        by="threshold",
        by_user=False,
        reason="ThresholdExceeded",
        attempt=admitted.status.attempt,
        if_sequence=admitted.sequence,
    )

    outcome = await handle(RunLog(bus, Publisher.ABORTER, SystemClock()), command)

    assert outcome == "aborting"
    assert bus.old_answers > 0
