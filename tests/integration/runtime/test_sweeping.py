"""The retention sweep on a real server: old runs go from every stream and bucket, others stay."""

from __future__ import annotations

from runbus.contracts.states import EventType, RunState
from runbus.contracts.streams import EVENTS
from runbus.contracts.transitions import Publisher
from runbus.scheduler.sweeping import Sweeper
from support.buses import TestBus
from support.clocks import ManualClock
from support.ended_runs import an_ended_run, until_in_buckets, what_is_left
from support.runs import a_status, at

DAY_S = 86_400
OLD, YOUNG, LIVE = "oldoldoldold", "youngyoungyo", "livelivelive"


def a_sweeper(on: TestBus, *, day: float) -> Sweeper:
    clock = ManualClock(at(day * DAY_S))
    return Sweeper(on.bus, clock, on.log, retention_days=14)


async def test_a_run_is_forgotten_14_days_after_its_end_and_others_stay(on: TestBus) -> None:
    await an_ended_run(on, OLD, ended_s=0)
    await an_ended_run(on, YOUNG, ended_s=5 * DAY_S)
    await on.admit(await on.accept(a_status(run_id=LIVE)))
    for run_id in (OLD, YOUNG):
        await until_in_buckets(on, run_id)

    assert await a_sweeper(on, day=13.9).sweep() == 0
    assert await a_sweeper(on, day=14.1).sweep() == 1

    assert await what_is_left(on, OLD) == []
    assert len(await what_is_left(on, YOUNG)) == 4
    assert EVENTS in await what_is_left(on, LIVE)


async def test_a_run_without_an_end_is_kept_however_old(on: TestBus) -> None:
    await on.admit(await on.accept(a_status(run_id=LIVE)))

    assert await a_sweeper(on, day=1000).sweep() == 0
    assert EVENTS in await what_is_left(on, LIVE)


async def test_a_failed_attempt_that_is_retried_is_no_end(on: TestBus) -> None:
    admitted = await on.admit(await on.accept(a_status(run_id=LIVE)))
    await on.store(
        EventType.ATTEMPT_FAILED,
        Publisher.STATE_WATCHER,
        admitted,
        state=RunState.RETRYING,
        since=at(0),
    )

    assert await a_sweeper(on, day=1000).sweep() == 0


async def test_a_run_whose_pods_stay_longer_does_not_hide_those_behind_it(on: TestBus) -> None:
    await an_ended_run(on, YOUNG, ended_s=0, ttl_after_finish_s=60.0 * DAY_S)
    await an_ended_run(on, OLD, ended_s=1)

    assert await a_sweeper(on, day=15).sweep() == 1
    assert EVENTS in await what_is_left(on, YOUNG)


async def test_the_same_run_id_can_begin_anew_after_the_sweep(on: TestBus) -> None:
    await an_ended_run(on, OLD, ended_s=0)
    await a_sweeper(on, day=15).sweep()

    again = await on.accept(a_status(run_id=OLD))

    assert not again.found_stored
