"""Which objects of a run have to go: judged from its status and the object, nothing else.

Owner and aborter both judge by this, the owner when it asks for a clean-up and the aborter again,
on the newest event, just before it deletes. Must not know: clocks (when a finished object's time
to live has passed is the owner's matter).
"""

from __future__ import annotations

from runbus.contracts.commands import CleanUpCause
from runbus.contracts.states import OBJECT_STATES, RunState
from runbus.contracts.status import RunStatus
from runbus.reading.model import Reading


def cause_to_go(status: RunStatus, attempt: int, reading: Reading) -> CleanUpCause | None:
    """Say why an object of a run has to go; None where it may stay.

    An object that has ended may stay until the run's time to live has passed (`TTL`), which only
    a final run has. One that has not ended is late unless it belongs to the current attempt and
    the run may have objects; a sidecar that outlives its main container has to go, too.
    """
    is_current = attempt == status.attempt
    if status.state is RunState.ABORTING and is_current:
        return CleanUpCause.ABORTING
    if reading.pod_ended:
        return CleanUpCause.TTL if status.state.is_final else None
    if reading.ended and is_current:
        return CleanUpCause.ENDED
    if is_current and status.state in OBJECT_STATES:
        return None
    return CleanUpCause.LATE
