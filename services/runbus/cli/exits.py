"""The exit codes, which are part of the contract with scripts."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from runbus.contracts.states import RunState


class Exit(IntEnum):
    """What an exit code tells."""

    DONE = 0
    RUN_ERROR = 1
    USAGE = 2
    REFUSED = 3
    NO_SUCH_RUN = 4
    ABORTED = 5
    UNREACHABLE = 6
    TIMEOUT = 124
    DETACHED = 130


_OF_FATES = {
    RunState.COMPLETED: Exit.DONE,
    RunState.ERROR: Exit.RUN_ERROR,
    RunState.ABORTED: Exit.ABORTED,
    RunState.REJECTED: Exit.REFUSED,
}


def exit_of(state: RunState) -> Exit:
    """Return the exit code of a run's final state."""
    return _OF_FATES.get(state, Exit.RUN_ERROR)


# From harmless to bad: what several runs together answer.
_BADNESS = (Exit.DONE, Exit.REFUSED, Exit.ABORTED, Exit.RUN_ERROR)


def worst(fates: Sequence[Exit]) -> Exit:
    """Return the worst of several fates."""
    return max(fates, key=_BADNESS.index, default=Exit.DONE)
