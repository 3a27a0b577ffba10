"""The sentence about an abort, for people: what was waited for, how long, and why in vain."""

from __future__ import annotations

from runbus.contracts.durations import format_duration
from runbus.contracts.states import Reason, Threshold
from runbus.contracts.status import AbortCause


def abort_text(cause: AbortCause, *, verb: str = "aborted") -> str:
    """Return e.g. `aborted after 1h in image_pull_backoff: cannot pull x:1: not found`.

    Args:
        cause: of the abort.
        verb: `aborted`, or `aborting` while it is under way.

    """
    if cause.by_user:
        text = f"{verb} by {cause.by}"
    elif cause.reason == Reason.IMAGE_NEVER_PULLABLE.value:
        text = f"{verb} at once"
    elif cause.limit_s is not None and cause.state is not None:
        text = f"{verb} after {format_duration(cause.limit_s)} in {passed_in(cause)}"
    else:
        text = verb
    return f"{text}: {cause.message}" if cause.message else text


def passed_in(cause: AbortCause) -> str:
    """Return in what the limit was passed: the state, or the whole run and the state it was in."""
    state = cause.state.value if cause.state is not None else ""
    return f"total (in {state})" if cause.threshold is Threshold.TOTAL else state
