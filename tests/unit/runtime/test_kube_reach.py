"""When a service says that Kubernetes cannot be asked, and when it finds out by itself."""

from __future__ import annotations

from runbus.runtime.kube_reach import IDLE_S, UNREACHABLE_READY_S, Reach
from support.clocks import ManualClock


def a_reach() -> tuple[ManualClock, Reach]:
    clock = ManualClock()
    return clock, Reach(clock.monotonic)


def test_refused_credentials_are_told_at_once() -> None:
    _, reach = a_reach()
    reach.failed("GET /: 401", is_refused=True)

    assert reach.ready_problem() == "GET /: 401"


def test_a_lost_answer_is_told_once_nothing_is_heard_for_a_while() -> None:
    clock, reach = a_reach()
    reach.failed("GET /: no answer", is_refused=False)

    assert reach.ready_problem() is None
    clock.advance(UNREACHABLE_READY_S)
    reach.failed("GET /again: no answer", is_refused=False)
    assert reach.ready_problem() == "GET /again: no answer"


def test_any_other_answer_says_that_all_is_well() -> None:
    _, reach = a_reach()
    reach.failed("GET /: 401", is_refused=True)

    reach.answered(401)
    assert reach.ready_problem() is not None
    reach.answered(403)
    assert reach.ready_problem() is None
    assert not reach.is_in_doubt


def test_who_is_idle_asks_now_and_then() -> None:
    clock, reach = a_reach()

    assert not reach.is_in_doubt
    clock.advance(IDLE_S + 1)
    assert reach.is_in_doubt
    reach.answered(200)
    assert not reach.is_in_doubt
