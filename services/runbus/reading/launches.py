"""PURE: runs that are admitted and of which nothing is created, for longer than creating takes.

The events have none that says why an object cannot be created now: this is told from the time that
has passed. Must not know: who creates, or what is in the way.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from runbus.contracts.states import RunState
from runbus.contracts.status import RunStatus

# Creating takes milliseconds, and a create that is not answered is given up after 10 s.
EXPECTED = timedelta(seconds=15)


def is_overdue(status: RunStatus, now: datetime) -> bool:
    """Say whether the objects of an admitted run should have been there for a while."""
    return status.state is RunState.ADMITTED and not status.pods and now - status.since > EXPECTED
