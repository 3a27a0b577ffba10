"""At most one attempt of a run has live objects; late ones go at once; none is left behind."""

from __future__ import annotations

import pytest

from runbus.contracts.states import EventType, RunState
from runbus.reading.history import Allowances, Outage
from support.lives import Story, a_life, by_user
from support.runs import at

E = EventType


def completed(second: float = 10) -> Story:
    return Story(ttl_after_finish_s=60.0).running(2).then(E.COMPLETED, second)


def retried() -> Story:
    """Tell of a first attempt until second 10, and of a second one from second 12 on."""
    story = Story().running(2).then(E.ATTEMPT_FAILED, 10, state=RunState.RETRYING)
    return story.then(E.ADMITTED, 12).then(E.RUNNING, 13)


def test_a_pod_that_came_in_time_and_ended_may_stay_for_its_time_to_live() -> None:
    assert completed().breaches(a_life(1, ended_at=9), now=70) == []


def test_a_pod_that_outlives_its_time_to_live_is_told() -> None:
    [told] = completed().breaches(a_life(1, ended_at=9), now=76)

    assert told == "2: train-abcdefghij23-1 is still there, 0:01:06 after its run's end"


def test_attempts_one_after_the_other_break_nothing() -> None:
    objects = (a_life(1, ended_at=9), a_life(12, attempt=2))

    assert retried().breaches(*objects, now=20) == []


def test_two_attempts_that_live_at_once_are_told() -> None:
    objects = (a_life(1, gone=13, deletion_asked_at=9), a_life(12, attempt=2))

    told = retried().breaches(*objects, now=20)

    assert told[0] == ("2: train-abcdefghij23-2 appeared 0:00:01 before train-abcdefghij23-1 ended")


def test_a_pod_that_still_runs_when_its_attempt_is_over_has_to_be_asked_to_go() -> None:
    running = a_life(1, started_at=2)

    assert completed().breaches(running, now=10.9) == []
    assert completed().breaches(running, now=11.5) == [
        "2: train-abcdefghij23-1 was left when its run went to completed;"
        " nobody asked it to go for 1.50 s"
    ]


def test_a_program_that_has_started_is_given_its_grace() -> None:
    stopping = a_life(1, started_at=2, deletion_asked_at=10.5, grace_s=30)

    assert completed().breaches(stopping, now=40) == []
    assert completed().breaches(stopping, now=42) == [
        "2: train-abcdefghij23-1 was left when its run went to completed,"
        " and went only 32.00 s later"
    ]


@pytest.mark.parametrize("state", ["completed", "aborting"])
def test_a_pod_that_appears_late_is_gone_within_a_second(state: str) -> None:
    story = Story().then(E.ACCEPTED, 0).then(E.ADMITTED, 1).then(E.ABORTING, 2, abort=by_user())
    if state == "completed":
        story = completed(2.5)

    assert story.breaches(a_life(3, gone=3.9, deletion_asked_at=3.5)) == []
    assert story.breaches(a_life(3, gone=4.2, deletion_asked_at=3.5)) == [
        "2: train-abcdefghij23-1 appeared late, and went only 1.20 s later"
    ]


def test_a_pod_of_an_attempt_that_is_over_is_late_beside_the_next_one() -> None:
    late, current = a_life(14, gone=14.5), a_life(12, attempt=2)

    assert retried().breaches(current, late, now=20) == []


def test_a_busy_machine_is_given_slack_and_only_that() -> None:
    late = a_life(14, gone=16)
    allowances = Allowances(slack_s=1.5)

    assert completed().breaches(late, allowances=allowances) == []
    assert len(completed().breaches(late, allowances=Allowances(slack_s=0.5))) == 1


def test_nothing_is_asked_of_what_is_down() -> None:
    late = a_life(14, gone=30)

    assert completed().breaches(late, outages=(Outage(at(13), at(29.5)),)) == []
    assert len(completed().breaches(late, outages=(Outage(at(13), at(28)),))) == 1


def test_an_attempt_that_nobody_admitted_is_told() -> None:
    assert Story().running().breaches(a_life(3, attempt=2)) == [
        "2: train-abcdefghij23-2 is of attempt 2, which was never admitted"
    ]


def test_an_object_of_a_run_without_events_is_told() -> None:
    assert Story().breaches(a_life(3)) == [
        "2: train-abcdefghij23-1 belongs to a run without any event"
    ]
