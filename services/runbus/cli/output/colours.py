"""Which colour a state has on a terminal. Colour never stands alone: the word is always there."""

from __future__ import annotations

from runbus.contracts.states import RunState

# Names that rich knows, and the codes that terminals know.
_NAMES = {
    RunState.COMPLETED: "green",
    RunState.RUNNING: "cyan",
    RunState.ERROR: "red",
    RunState.REJECTED: "red",
    RunState.ABORTED: "magenta",
    RunState.ABORTING: "magenta",
    RunState.IMAGE_PULL_BACKOFF: "yellow",
    RunState.PENDING_NOT_SCHEDULED: "yellow",
    RunState.PENDING_SCHEDULED: "blue",
    RunState.RETRYING: "yellow",
    RunState.HELD: "yellow",
}
_CODES = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36}


def name_of(state: RunState) -> str:
    """Return the colour's name; `default` for states that need none."""
    return _NAMES.get(state, "default")


def coloured(text: str, state: RunState) -> str:
    """Return a text in the state's colour, for terminals."""
    code = _CODES.get(name_of(state))
    return f"\x1b[{code}m{text}\x1b[0m" if code else text
