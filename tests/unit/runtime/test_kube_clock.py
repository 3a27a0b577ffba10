"""How far the API server's clock is away, from the dates of its answers."""

from __future__ import annotations

import math
from datetime import timedelta
from email.utils import format_datetime

import pytest

from runbus.runtime.kube_clock import TOLERANCE, ServerClock
from support.runs import at


def learned(server: ServerClock, *, ahead_s: float, now_s: float, took_s: float = 0.0) -> timedelta:
    """Have an answer come that took so long, from a server whose clock is ahead."""
    date = at(math.floor(now_s + took_s + ahead_s))  # as HTTP dates are
    server.take(format_datetime(date, usegmt=True), at(now_s), at(now_s + took_s))
    return server.offset


@pytest.mark.parametrize("ahead_s", [-1.5, -0.5, 0, 0.7, 1.9])
def test_clocks_that_agree_within_the_tolerance_are_one(ahead_s: float) -> None:
    assert learned(ServerClock(), ahead_s=ahead_s, now_s=1000.4) == timedelta()


@pytest.mark.parametrize("ahead_s", [-86400, -300, -5, 5, 300, 86400])
def test_what_is_learned_is_within_a_second_and_never_too_much(ahead_s: float) -> None:
    found = learned(ServerClock(), ahead_s=ahead_s, now_s=1000.4).total_seconds()

    assert ahead_s - 1 <= found <= ahead_s


def test_an_answer_that_took_long_says_nothing_new() -> None:
    server = ServerClock()
    before = learned(server, ahead_s=300, now_s=1000)

    assert learned(server, ahead_s=300, now_s=1010, took_s=9) == before


def test_what_was_learned_stays_while_it_may_be_true() -> None:
    server = ServerClock()
    found = {learned(server, ahead_s=300, now_s=1000 + n * 0.37) for n in range(200)}

    assert len(found) == 1


def test_a_clock_that_is_set_right_is_ours_again() -> None:
    server = ServerClock()
    learned(server, ahead_s=300, now_s=1000)

    assert learned(server, ahead_s=0.3, now_s=1001) == timedelta()
    assert timedelta(seconds=1) <= TOLERANCE


@pytest.mark.parametrize("text", ["", "now", "Sun, 99 Nov 2026 25:00:00 GMT"])
def test_a_date_that_cannot_be_read_says_nothing(text: str) -> None:
    server = ServerClock()
    server.take(text, at(0), at(0))

    assert server.offset == timedelta()
