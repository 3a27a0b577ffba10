"""The six invariants, judged afterwards: what is fine passes, each way to break one is told."""

from __future__ import annotations

import pytest

from runbus.contracts.identity import run_id_from_key
from runbus.contracts.replies import DeadLetter
from runbus.contracts.states import EventType, Kind, RunState
from runbus.reading.history import Allowances, Backlog, Outage, Request, World, run_key
from support.lives import RUN, Story, breaches, by_limit, by_user
from support.runs import PROJECT, RUN_ID, at, limits, replace

E = EventType
SETTLED = {"settled": True}


def aborted_by_limit(decided: float = 12.0, **changes: object) -> Story:
    """Tell of a run that is allowed to run for 10 s, from second 2 on."""
    story = Story(thresholds=limits(running=10)).running(2)
    cause = by_limit(RunState.RUNNING, 2, 10, decided)
    return story.then(E.ABORTING, decided, abort=replace(cause, **changes), deadline=None)


# 1: every run ends.


def test_a_run_that_completed_breaks_nothing() -> None:
    assert Story().running().then(E.COMPLETED, 3).breaches(**SETTLED) == []


def test_a_run_that_has_not_ended_once_everything_is_back_is_told() -> None:
    [told] = Story().running().breaches(**SETTLED)

    assert told.startswith("1: is still running since 2026-11-01 10:00:02")


def test_a_run_under_way_breaks_nothing_while_the_world_moves() -> None:
    assert Story().running().breaches() == []


def test_what_lives_until_it_is_aborted_need_not_end() -> None:
    assert Story(kind=Kind.NUCLIO).running().breaches(**SETTLED) == []


def test_a_limit_that_passed_long_ago_undecided_is_told() -> None:
    allowances = Allowances(stuck_after_s=30)
    story = Story(thresholds=limits(running=10)).running(2)

    assert story.breaches(now=42, allowances=allowances) == []
    assert story.breaches(now=43, allowances=allowances) == [
        "1: is stuck in running: the limit running passed 31 s ago"
    ]


def test_time_in_which_something_was_broken_does_not_count() -> None:
    story = Story(thresholds=limits(running=10)).running(2)
    outage = Outage(at(0), at(100))

    assert story.breaches(now=129, allowances=Allowances(stuck_after_s=30), outages=(outage,)) == []


@pytest.mark.parametrize(
    "story",
    [
        Story().then(E.ACCEPTED, 0),
        Story().then(E.ACCEPTED, 0).then(E.ADMITTED, 0),
        Story().running().then(E.ATTEMPT_FAILED, 3, state=RunState.RETRYING, not_before=at(10)),
    ],
    ids=["nobody queues or admits it", "nobody creates it", "nobody tries it again"],
)
def test_a_run_that_nobody_moves_on_is_told(story: Story) -> None:
    allowances = Allowances(stuck_after_s=30)

    assert story.breaches(now=30, allowances=allowances) == []
    assert len(story.breaches(now=41, allowances=allowances)) == 1


def test_an_abort_that_does_not_come_to_its_end_is_told() -> None:
    story = Story().running().then(E.ABORTING, 3, abort=by_user())

    assert story.breaches(now=100, allowances=Allowances(aborting_after_s=97)) == []
    assert story.breaches(now=101, allowances=Allowances(aborting_after_s=97)) == [
        "1: is stuck in aborting: its abort began 98 s ago"
    ]


def test_a_request_that_was_accepted_and_left_no_trace_is_told() -> None:
    world = World(now=at(0), requests=(Request(run=RUN, accepted=True),))

    assert breaches(world) == ["1: was accepted, and nothing is stored of it"]


# 3: a legal path, each transition stored once.


def test_an_event_that_the_table_does_not_allow_is_told() -> None:
    [told] = Story().then(E.ACCEPTED, 0).then(E.RUNNING, 1).breaches()

    assert told.startswith("3: sequence 6: run abcdefghij23: running from accepted")


def test_nothing_may_follow_a_final_state() -> None:
    story = Story().running().then(E.COMPLETED, 3).then(E.ABORTING, 4, abort=by_user())

    assert "3: aborting at sequence 15 follows the final state completed" in story.breaches()


def test_an_event_of_the_wrong_service_is_told() -> None:
    [told] = Story().running().then(E.COMPLETED, 3, publisher="aborter").breaches()

    assert told.endswith("by aborter: not this publisher's event")


def test_an_event_of_a_stranger_is_told() -> None:
    [told] = Story().running().then(E.COMPLETED, 3, publisher="mallory").breaches()

    assert told == "3: completed at sequence 12 was published by mallory: no such service"


def test_an_event_stored_past_its_fence_is_told() -> None:
    told = Story().running().then(E.COMPLETED, 3, expected=6).breaches()

    assert "3: completed at sequence 12 was stored expecting 6, not 9" in told


def test_a_transition_that_is_stored_twice_is_told() -> None:
    story = Story().running()
    again = replace(story.events[-1], sequence=12)
    story.events.append(again)

    told = story.breaches()

    assert (
        f"3: running at sequence 12 has the id of running at sequence 9: {again.event_id}" in told
    )
    assert "3: running at sequence 12 was stored expecting 6, not 9" in told


def test_a_verdicts_id_may_end_with_its_documents_hash() -> None:
    story = Story().then(E.ACCEPTED, 0, event_id=f"{RUN_ID}-0-accepted-0-a1b2c3d4")

    assert story.breaches() == []


def test_an_id_that_is_not_the_transitions_own_is_told() -> None:
    [told] = Story().then(E.ACCEPTED, 0, event_id="something").breaches()

    assert told == f"3: accepted at sequence 3 has the id something, not {RUN_ID}-0-accepted-0"


def test_an_event_type_of_a_newer_release_is_passed_over() -> None:
    story = Story().running()
    newer = replace(
        story.events[-1], event_type="warmed_up", sequence=12, expected=9, event_id="newer"
    )
    story.events.append(newer)

    assert story.then(E.COMPLETED, 5).breaches() == []


# 4: aborts in time.


def test_an_abort_at_its_deadline_breaks_nothing() -> None:
    assert aborted_by_limit(12.0).then(E.ABORTED, 13).breaches() == []


def test_an_abort_before_its_deadline_is_told() -> None:
    told = aborted_by_limit(11.5).breaches()

    assert told == ["4: aborting at sequence 12 was decided 0.5 s before the deadline of running"]


def test_an_abort_that_counts_from_another_moment_is_told() -> None:
    told = aborted_by_limit(12.0, since=at(1)).breaches()

    assert len(told) == 1
    assert "counts from 2026-11-01 10:00:01" in told[0]


def test_an_abort_for_a_limit_that_the_run_has_not_is_told() -> None:
    cause = by_limit(RunState.RUNNING, 2, 10, 12)

    told = Story().running(2).then(E.ABORTING, 12, abort=cause).breaches()

    assert told == ["4: aborting at sequence 12 is for a limit, and there was none in running"]


def test_a_user_may_abort_at_any_time() -> None:
    story = Story(thresholds=limits(running=10)).running().then(E.ABORTING, 2.1, abort=by_user())

    assert story.breaches() == []


def test_a_clock_that_starts_again_in_the_same_state_is_told() -> None:
    told = Story().running(2).then(E.RUNNING, 5, reason="CrashLoopBackOff").breaches()

    assert len(told) == 1
    assert told[0].startswith("4: running at sequence 12 moves the clock of running")


def test_deadlines_decided_too_late_are_told() -> None:
    story = aborted_by_limit(12.06)

    assert story.breaches(allowances=Allowances(decided_p99_ms=60)) == []
    assert story.breaches(allowances=Allowances(decided_p99_ms=50)) == [
        "4: deadlines were decided 60 ms late (p99 of 1)"
    ]


# 5: one key, one run.

KEYED = run_id_from_key(PROJECT, "nightly")


def test_a_run_whose_id_is_not_its_keys_is_told() -> None:
    told = Story().then(E.ACCEPTED, 0, idempotency_key="nightly").breaches()

    assert told == [f"5: the key 'nightly' belongs to run {KEYED}"]


def test_the_same_key_in_another_project_is_another_run() -> None:
    other = run_id_from_key("vision", "nightly")
    runs = (
        Story(KEYED).then(E.ACCEPTED, 0, idempotency_key="nightly").history(),
        replace(
            Story(other, project="vision")
            .then(E.ACCEPTED, 0, idempotency_key="nightly", event_id=f"{other}-0-accepted-0")
            .history(),
            run=run_key("vision", other),
        ),
    )

    assert breaches(World(now=at(9), runs=runs)) == []


def requested(document_hash: str = "a", run: str = run_key(PROJECT, KEYED)) -> Request:
    return Request(run=run, accepted=True, key="nightly", document_hash=document_hash)


def test_the_same_request_twice_is_one_run() -> None:
    run = Story(KEYED).then(E.ACCEPTED, 0, idempotency_key="nightly").history()
    world = World(now=at(9), runs=(run,), requests=(requested(), requested()))

    assert breaches(world) == []


@pytest.mark.parametrize(
    ("again", "told"),
    [
        (requested("b"), "5: the key 'nightly' was taken with another document"),
        (
            requested(run=RUN),
            f"5: the key 'nightly' had been answered with run {PROJECT}/{KEYED}",
        ),
    ],
    ids=["another document", "another run"],
)
def test_a_key_that_is_taken_twice_is_told(again: Request, told: str) -> None:
    runs = (
        Story(KEYED).then(E.ACCEPTED, 0, idempotency_key="nightly").history(),
        Story().then(E.ACCEPTED, 0).history(),
    )

    assert breaches(World(now=at(9), runs=runs, requests=(requested(), again))) == [told]


# 6: nothing is blocked.


def a_letter(reason: str) -> DeadLetter:
    subject = "runbus.v1.submit.nlp"
    return DeadLetter(service="aborter", subject=subject, reason=reason, set_aside_at=at(1))


def test_a_dead_letter_without_a_reason_is_told() -> None:
    world = World(now=at(9), dead_letters=(a_letter("no such run"), a_letter("")))

    assert breaches(world) == ["6: a dead letter of aborter lacks its reason"]


def test_messages_that_nobody_answers_for_are_told_once_everything_is_back() -> None:
    backlogs = (Backlog(consumer="pod-launcher", waiting=2, in_hand=1), Backlog(consumer="fine"))

    assert breaches(World(now=at(9), backlogs=backlogs)) == []
    assert breaches(World(now=at(9), backlogs=backlogs, settled=True)) == [
        "6: consumer pod-launcher still has 2 messages to deliver and 1 without an answer"
    ]
