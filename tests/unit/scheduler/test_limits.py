"""Limits that change call for a round at once."""

from __future__ import annotations

from typing import cast

import structlog

from runbus.runtime.deadletters import DeadLetters
from runbus.runtime.runlog import RunLog
from runbus.runtime.workqueue import WorkQueue
from runbus.scheduler.handler import Handler
from runbus.scheduler.model import Limits
from support.clocks import ManualClock


def test_other_limits_call_for_a_round_and_the_same_ones_do_not() -> None:
    clock, log = ManualClock(), structlog.get_logger()
    queue = WorkQueue(clock, log)
    handler = Handler(
        cast("RunLog", None),
        cast("DeadLetters", None),
        queue,
        Limits(concurrent_runs=1),
        clock,
        log,
    )

    handler.limit(Limits(concurrent_runs=1))
    assert len(queue) == 0

    handler.limit(Limits(concurrent_runs=2))
    assert len(queue) == 1
