"""Rounds of admission: order, limits, reasons, backoff."""

from __future__ import annotations

from typing import Any

from runbus.contracts.states import Reason, RunState
from runbus.contracts.status import PodRef
from runbus.scheduler.decide import admitted, plan, queued
from runbus.scheduler.model import Limits, Plan, Refusal, Snapshot, Waiting
from support.runs import a_status, at, limits


def waiting(key: str, state: RunState = RunState.ACCEPTED, **fields: Any) -> Waiting:
    fields.setdefault("project", key.partition("/")[0])
    return Waiting(key=key, status=a_status(state, **fields))


def a_plan(
    *runs: Waiting, now: float = 100, in_flight: dict[str, int] | None = None, **limit: Any
) -> Plan:
    snapshot = Snapshot(waiting=runs, in_flight=in_flight or {}, limits=Limits(**limit))
    return plan(snapshot, at(now))


def test_without_limits_everything_is_admitted() -> None:
    assert a_plan(waiting("a/1"), waiting("b/1")).admit == ("a/1", "b/1")


def test_older_runs_go_first() -> None:
    planned = a_plan(waiting("a/young", accepted_at=at(9)), waiting("a/old", accepted_at=at(3)))

    assert planned.admit == ("a/old", "a/young")


def test_a_higher_priority_class_goes_before_an_older_run_and_none_goes_last() -> None:
    planned = a_plan(
        waiting("a/none", accepted_at=at(1)),
        waiting("a/low", accepted_at=at(2), priority_rank=2),
        waiting("a/high", accepted_at=at(3), priority_rank=0),
    )

    assert planned.admit == ("a/high", "a/low", "a/none")


def test_a_run_over_the_service_limit_waits_and_says_why() -> None:
    planned = a_plan(
        waiting("a/1", accepted_at=at(1)),
        waiting("a/2", accepted_at=at(2)),
        in_flight={"b": 4},
        concurrent_runs=5,
    )

    assert planned.admit == ("a/1",)
    assert planned.queue == (
        Refusal("a/2", Reason.SERVICE_LIMIT_REACHED, "concurrent runs 5/5 in all"),
    )


def test_a_run_over_its_projects_limit_waits_and_others_pass_it() -> None:
    planned = a_plan(
        waiting("nlp/1", accepted_at=at(1)),
        waiting("cv/1", accepted_at=at(2)),
        in_flight={"nlp": 2},
        by_project={"nlp": 2},
    )

    assert planned.admit == ("cv/1",)
    assert planned.queue == (
        Refusal("nlp/1", Reason.QUOTA_EXCEEDED, "concurrent runs 2/2 in project nlp"),
    )


def test_a_reason_told_already_is_not_told_again() -> None:
    told = waiting("a/1", RunState.QUEUED, reason="ServiceLimitReached")

    assert a_plan(told, in_flight={"b": 1}, concurrent_runs=1).queue == ()


def test_another_reason_is_news() -> None:
    told = waiting("a/1", RunState.QUEUED, reason="QuotaExceeded")

    assert len(a_plan(told, in_flight={"b": 1}, concurrent_runs=1).queue) == 1


def test_a_retry_waits_for_its_backoff_and_the_round_wakes_up_then() -> None:
    retry = waiting("a/1", RunState.RETRYING, not_before=at(130))

    early, late = a_plan(retry, now=129), a_plan(retry, now=130)

    assert (early.admit, early.wake_at) == ((), at(130))
    assert late.admit == ("a/1",)


def test_a_backoff_takes_no_place_of_others() -> None:
    planned = a_plan(
        waiting("a/1", RunState.RETRYING, not_before=at(130)),
        waiting("a/2"),
        concurrent_runs=1,
    )

    assert planned.admit == ("a/2",)


def test_admission_opens_the_next_attempt_with_nothing_of_the_last() -> None:
    before = a_status(
        RunState.RETRYING,
        attempt=1,
        reason="Error",
        message="exited with 3",
        exit_code=3,
        not_before=at(50),
        pods=(PodRef(name="old"),),
    )

    after = admitted(before, at(60))

    assert (after.state, after.attempt, after.since) == (RunState.ADMITTED, 2, at(60))
    assert (after.reason, after.exit_code, after.not_before, after.pods) == ("", None, None, ())


def test_queued_counts_from_the_first_queued_event() -> None:
    refusal = Refusal("a/1", Reason.QUOTA_EXCEEDED, "concurrent runs 2/2 in project a")
    accepted = a_status(RunState.ACCEPTED, thresholds=limits(queued=60))

    first = queued(accepted, refusal, at(5))
    second = queued(first, refusal, at(30))

    assert (first.since, second.since) == (at(5), at(5))
    assert (second.deadline, second.deadline_of) == (at(65), "queued")
