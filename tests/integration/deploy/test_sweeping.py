"""The retention sweep with the scheduler's own identity: everything of an old run, nothing else."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from runbus.contracts.identities import Identity, identities
from runbus.contracts.transitions import Publisher
from support.buses import TestBus
from support.ended_runs import an_ended_run, until_in_buckets, what_is_left
from support.identities import running_guarded, session_of
from support.least_rights import OVER_S, services_on
from support.runs import at

pytestmark = pytest.mark.system

SCHEDULER = Publisher.SCHEDULER.value
OLD, YOUNG = "oldoldoldold", "youngyoungyo"
# Puts on the bus what others stored long ago; no identity of an installation may do as much.
PAST = Identity(name="past", about="Tells of the past.", publish=(">",), subscribe=(">",))


def ago(**time: float) -> float:
    """Return a moment as the builders of runs take it: in seconds after their own beginning."""
    return (datetime.now(UTC) - timedelta(**time) - at(0)).total_seconds()


async def test_a_scheduler_forgets_a_run_that_ended_long_ago_and_is_refused_nothing(
    tmp_path: Path,
) -> None:
    allowed = (*identities(), PAST)
    async with running_guarded(tmp_path, allowed) as nats, session_of(nats, PAST.name) as past:
        on = TestBus(nats, past.bus, structlog.get_logger())
        await an_ended_run(on, OLD, ended_s=ago(days=30))
        await an_ended_run(on, YOUNG, ended_s=ago(days=1))
        for run_id in (OLD, YOUNG):
            await until_in_buckets(on, run_id)

        nowhere = tmp_path / "kubeconfig"  # the scheduler does not ask Kubernetes
        async with services_on(nats, tmp_path, {Publisher.SCHEDULER: nowhere}) as services:
            async with asyncio.timeout(OVER_S):
                while not await services.counted(SCHEDULER, "runbus_runs_purged"):
                    await asyncio.sleep(0.05)
            assert await services.counted(SCHEDULER, "runbus_bus_refusals") == 0
        assert await what_is_left(on, OLD) == []
        assert len(await what_is_left(on, YOUNG)) == 4
