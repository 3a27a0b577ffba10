"""Clocks for tests: time stands still until it is told to go on."""

from __future__ import annotations

from datetime import datetime, timedelta

from support.runs import T0


class ManualClock:
    """A clock that is set by hand."""

    def __init__(self, now: datetime = T0) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
