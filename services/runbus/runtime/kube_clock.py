"""How far the API server's clock is from ours, learned from the dates of its answers.

A pod's timestamps are the cluster's, deadlines are ours: where the two clocks differ by minutes,
a timestamp means another moment here. It must not know requests or pods.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# Dates are floored to a second, and clocks that are kept by NTP agree far better than this.
TOLERANCE = timedelta(seconds=2)
_SECOND = timedelta(seconds=1)
_NONE = timedelta()


class ServerClock:
    """`offset` is the server's clock less ours; none while they agree within the tolerance."""

    def __init__(self) -> None:
        self.offset = _NONE
        self._text = ""
        self._date: datetime | None = None

    def take(self, text: str, sent_at: datetime, answered_at: datetime) -> None:
        """Learn from an answer's Date header; one that cannot be read says nothing.

        The date is of a moment between the two, so the offset lies within bounds. Outside of them
        it becomes the smallest that is possible: what a timestamp says is then never too early.
        """
        date = self._read(text)
        if date is None:
            return
        least, most = date - answered_at, date + _SECOND - sent_at
        if least - TOLERANCE <= _NONE <= most + TOLERANCE:
            self.offset = _NONE
        elif not least - TOLERANCE <= self.offset <= most + TOLERANCE:
            self.offset = least

    def _read(self, text: str) -> datetime | None:
        if text != self._text:  # it changes once a second, however many answers there are
            self._text = text
            try:
                date = parsedate_to_datetime(text)
            except ValueError:
                self._date = None
            else:
                self._date = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
        return self._date
