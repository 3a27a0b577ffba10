"""Reading a command on a run: its body, the run that its subject names, and what it knew of."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from runbus.contracts import codec, subjects
from runbus.runtime.errors import PoisonError, RetryableError
from runbus.runtime.inbox import Delivery

T = TypeVar("T")

# A command can overtake the event that makes its run known, or that it was judged by.
UNKNOWN_RUN_PATIENCE_S = 30.0
UNKNOWN_AGAIN_S = 2.0


def read_command(delivery: Delivery, struct: type[T]) -> tuple[T, str, str]:
    """Return a command's body, project and run id.

    Raises:
        PoisonError: it cannot be read; the place is named.

    """
    try:
        _, project, run_id = subjects.parse_command(delivery.subject)
        if not subjects.is_project(project) or not subjects.is_run_id(run_id):
            text = f"{delivery.subject} names no project and run id"
            raise PoisonError(text)
        return codec.decode(struct, delivery.data), project, run_id
    except (codec.BrokenMessageError, subjects.SubjectError) as error:
        raise PoisonError(str(error)) from error


def known_of(delivery: Delivery, sequence: int | None, now: datetime) -> int:
    """Return the event that a command's sender knew of, for `RunLog.newest`: no older view.

    0 (any view) for one that names none, and for an old command: by then nobody is behind, and
    what it names never was.
    """
    return 0 if _is_old(delivery, now) else sequence or 0


def unknown_run(delivery: Delivery, now: datetime) -> RetryableError | PoisonError:
    """Return what to raise for a run that nobody knows: patience first, then the dead letters."""
    _, project, run_id = subjects.parse_command(delivery.subject)
    if not _is_old(delivery, now):
        text = f"run {run_id} is not known yet"
        return RetryableError(text, delay_s=UNKNOWN_AGAIN_S)
    text = f"nobody knows a run {run_id} in project {project}"
    return PoisonError(text)


def _is_old(delivery: Delivery, now: datetime) -> bool:
    return (now - delivery.stored_at).total_seconds() >= UNKNOWN_RUN_PATIENCE_S
