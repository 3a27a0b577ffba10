"""Reading a command on a run: its body, and the run that its subject names."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from runbus.contracts import codec, subjects
from runbus.runtime.errors import PoisonError, RetryableError
from runbus.runtime.inbox import Delivery

T = TypeVar("T")

# A command can overtake the event that makes its run known.
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


def unknown_run(delivery: Delivery, now: datetime) -> RetryableError | PoisonError:
    """Return what to raise for a run that nobody knows: patience first, then the dead letters."""
    _, project, run_id = subjects.parse_command(delivery.subject)
    if (now - delivery.stored_at).total_seconds() < UNKNOWN_RUN_PATIENCE_S:
        text = f"run {run_id} is not known yet"
        return RetryableError(text, delay_s=UNKNOWN_AGAIN_S)
    text = f"nobody knows a run {run_id} in project {project}"
    return PoisonError(text)
