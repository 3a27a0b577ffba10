"""Rounds of admission: order, limits, reasons, backoff."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runbus.contracts.placement import Platform, SpotNodes
from runbus.contracts.states import Reason, RunState
from runbus.contracts.status import PodRef, RunStatus
from runbus.scheduler.decide import ROUND_MAX, admitted, plan, queued
from runbus.scheduler.model import Books, Limits, Plan, Refusal
from support.runs import a_status, at, limits

Run = tuple[str, RunStatus]


def waiting(key: str, state: RunState = RunState.ACCEPTED, **fields: Any) -> Run:
    fields.setdefault("project", key.partition("/")[0])
    return key, a_status(state, **fields)


def the_books(*runs: Run, in_flight: dict[str, int] | None = None) -> Books:
    books = Books()
    for key, status in runs:
        books.take(key, status)
    for project, count in (in_flight or {}).items():
        for number in range(count):
            flying = a_status(RunState.RUNNING, project=project)
            books.take(f"{project}/flying-{number}", flying)
    return books


def a_plan(
    *runs: Run, now: float = 100, in_flight: dict[str, int] | None = None, **limit: Any
) -> Plan:
    return plan(the_books(*runs, in_flight=in_flight), Limits(**limit), at(now))


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

    after = admitted(before, at(60), Platform())

    assert (after.state, after.attempt, after.since) == (RunState.ADMITTED, 2, at(60))
    assert (after.reason, after.exit_code, after.not_before, after.pods) == ("", None, None, ())


def test_admission_notes_how_spot_nodes_are_told_for_whoever_sees_the_pod() -> None:
    spot = SpotNodes(node_selector={"example.com/spot": "yes"})

    after = admitted(a_status(), at(60), Platform(preemptible_nodes=spot))

    assert after.spot_labels == {"example.com/spot": "yes"}


def test_queued_counts_from_the_first_queued_event() -> None:
    refusal = Refusal("a/1", Reason.QUOTA_EXCEEDED, "concurrent runs 2/2 in project a")
    accepted = a_status(RunState.ACCEPTED, thresholds=limits(queued=60))

    first = queued(accepted, refusal, at(5))
    second = queued(first, refusal, at(30))

    assert (first.since, second.since) == (at(5), at(5))
    assert (second.deadline, second.deadline_of) == (at(65), "queued")


def test_a_projects_own_limit_is_the_reason_also_where_the_services_is_reached() -> None:
    planned = a_plan(
        waiting("nlp/1"), in_flight={"nlp": 2}, concurrent_runs=2, by_project={"nlp": 2}
    )

    assert [refusal.reason for refusal in planned.queue] == [Reason.QUOTA_EXCEEDED]


def test_a_place_that_is_freed_goes_to_the_next_in_line_and_nobody_says_anything_new() -> None:
    told = [
        waiting(f"a/{number}", RunState.QUEUED, accepted_at=at(number), reason="QuotaExceeded")
        for number in range(5)
    ]
    books = the_books(*told, in_flight={"a": 2})
    books.take("a/flying-0", a_status(RunState.COMPLETED, project="a"))

    planned = plan(books, Limits(by_project={"a": 2}), at(100))

    assert (planned.admit, planned.queue) == (("a/0",), ())


def test_a_run_that_ended_in_line_is_passed_over() -> None:
    books = the_books(waiting("a/1", accepted_at=at(1)), waiting("a/2", accepted_at=at(2)))
    books.take("a/1", a_status(RunState.ABORTED, project="a"))

    assert plan(books, Limits(), at(100)).admit == ("a/2",)


def test_a_run_that_is_put_off_comes_back_and_takes_nobodys_place() -> None:
    books = the_books(waiting("a/1"), waiting("a/2"))
    books.defer("a/1", a_status(project="a"), at(130))

    assert plan(books, Limits(), at(100)).admit == ("a/2",)
    assert plan(books, Limits(), at(130)).admit == ("a/1", "a/2")


def test_one_round_decides_so_much_and_says_that_there_is_more() -> None:
    runs = [waiting(f"a/{number:04}", accepted_at=at(number)) for number in range(ROUND_MAX + 10)]

    planned = a_plan(*runs)

    assert planned.more
    assert planned.admit == tuple(key for key, _ in runs[:ROUND_MAX])


def test_an_empty_book_has_nothing_to_decide() -> None:
    assert a_plan() == Plan()


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("atqrcd"), st.integers(0, 9))))
def test_the_books_kept_run_by_run_are_those_made_anew(steps: list[tuple[int, str, int]]) -> None:
    states = {
        "a": RunState.ACCEPTED,
        "t": RunState.RETRYING,
        "q": RunState.QUEUED,
        "r": RunState.RUNNING,
        "c": RunState.COMPLETED,
        "d": RunState.ADMITTED,
    }
    kept, newest = Books(), {}
    for number, letter, moment in steps:
        key, status = waiting(
            f"p{number % 3}/{number}",
            states[letter],
            accepted_at=at(number % 7),
            priority_rank=number % 2,
            reason="QuotaExceeded" if moment % 2 else "ServiceLimitReached",
            not_before=at(95 + moment) if letter == "t" else None,
        )
        kept.take(key, status)
        newest[key] = status
    bounds = Limits(concurrent_runs=6, by_project={"p0": 2})

    found, expected = plan(kept, bounds, at(100)), plan(the_books(*newest.items()), bounds, at(100))

    assert (found.admit, found.wake_at) == (expected.admit, expected.wake_at)
    assert set(found.queue) == set(expected.queue)
