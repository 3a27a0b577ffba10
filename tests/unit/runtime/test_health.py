"""Readiness with a meaning: what is missing is named."""

from __future__ import annotations

from runbus.runtime.health import HEARTBEAT_MISSED_S, Health
from support.clocks import ManualClock


def test_a_process_is_not_ready_before_it_is_set_up() -> None:
    health = Health(ManualClock())
    health.add("bus", lambda: None)

    assert health.problems() == {"start": "the service is still being set up"}


def test_each_failed_check_is_named_with_its_problem() -> None:
    health = Health(ManualClock())
    health.add("bus", lambda: None)
    health.add("pods", lambda: "the first list is not in yet")
    health.complete()

    assert health.problems() == {"pods": "the first list is not in yet"}


def test_a_check_can_be_left_out_by_name_so_that_a_standby_is_ready_to_take_over() -> None:
    health = Health(ManualClock())
    health.add("lease", lambda: "standing by")
    health.add("bus", lambda: "no answer")
    health.complete()

    assert health.problems({"lease"}) == {"bus": "no answer"}


def test_what_is_left_out_hides_nothing_else_and_no_start() -> None:
    health = Health(ManualClock())

    assert health.problems({"lease"}) == {"start": "the service is still being set up"}


def test_a_loop_that_does_not_turn_is_not_alive() -> None:
    clock = ManualClock()
    health = Health(clock)

    assert health.is_alive()
    clock.advance(HEARTBEAT_MISSED_S)
    assert not health.is_alive()
