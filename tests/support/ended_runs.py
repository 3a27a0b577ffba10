"""Runs that have ended, on a bus, and what is left of them there."""

from __future__ import annotations

import asyncio
from typing import Any

from runbus.contracts import codec, subjects
from runbus.contracts.evidence import RunEvidence
from runbus.contracts.identity import shard_of
from runbus.contracts.states import EventType, RunState
from runbus.contracts.streams import EVENTS, EVIDENCE, LIVE_BUCKET, RUNS_BUCKET
from runbus.contracts.transitions import Publisher
from runbus.runtime.runlog import RunRecord
from support.buses import TestBus
from support.runs import PROJECT, a_status, at


async def an_ended_run(on: TestBus, run_id: str, *, ended_s: float, **fields: Any) -> RunRecord:
    """Store a run's whole life, short as it was, and evidence of it."""
    admitted = await on.admit(await on.accept(a_status(run_id=run_id, **fields)))
    evidence = RunEvidence(
        run_id=run_id, project=PROJECT, attempt=1, cause="ended", collected_at=at(ended_s)
    )
    await on.bus.publish(subjects.evidence(PROJECT, run_id), codec.encode(evidence))
    return await on.store(
        EventType.COMPLETED,
        Publisher.STATE_WATCHER,
        admitted,
        state=RunState.COMPLETED,
        since=at(ended_s),
    )


async def what_is_left(on: TestBus, run_id: str) -> list[str]:
    """Return where something of a run is found."""
    run = f"{PROJECT}.{run_id}"
    places = {
        EVENTS: subjects.events_of_run(PROJECT, run_id),
        EVIDENCE: subjects.evidence(PROJECT, run_id),
        f"KV_{RUNS_BUCKET}": f"$KV.{RUNS_BUCKET}.{run}",
        f"KV_{LIVE_BUCKET}": f"$KV.{LIVE_BUCKET}.{shard_of(run_id)}.{run}",
    }
    return [
        stream
        for stream, subject in places.items()
        if await on.bus.last_message(stream, subject) is not None
    ]


async def until_in_buckets(on: TestBus, run_id: str) -> None:
    """Wait until the server has filled the buckets."""
    async with asyncio.timeout(10):
        while len(await what_is_left(on, run_id)) < 4:
            await asyncio.sleep(0.02)
