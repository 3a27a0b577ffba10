"""What a command's sender knew of, and for how long that is waited for."""

from __future__ import annotations

import pytest

from runbus.contracts.envelope import Envelope
from runbus.runtime.commands import UNKNOWN_RUN_PATIENCE_S, known_of, unknown_run
from runbus.runtime.errors import PoisonError, RetryableError
from runbus.runtime.inbox import Delivery
from support.runs import PROJECT, RUN_ID, T0, at

A_DELIVERY = Delivery(
    subject=f"runbus.v1.abort.{PROJECT}.{RUN_ID}",
    data=b"",
    headers={},
    envelope=Envelope(id="", type="", source=""),
    sequence=1,
    deliveries=1,
    stored_at=T0,
    reply="",
)
LATE = at(UNKNOWN_RUN_PATIENCE_S)


@pytest.mark.parametrize(("named", "expected"), [(7, 7), (None, 0), (0, 0)])
def test_no_older_view_than_what_the_sender_knew_of(named: int | None, expected: int) -> None:
    assert known_of(A_DELIVERY, named, at(1)) == expected


def test_an_old_command_that_names_an_event_that_never_was_is_not_waited_for() -> None:
    assert known_of(A_DELIVERY, 7, LATE) == 0


def test_a_run_that_nobody_knows_may_become_known_for_a_while() -> None:
    assert isinstance(unknown_run(A_DELIVERY, at(1)), RetryableError)
    assert isinstance(unknown_run(A_DELIVERY, LATE), PoisonError)
