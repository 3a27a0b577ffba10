"""From the arguments of `runbus deadline` to the command that is sent."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime

from runbus.cli.moments import moment_of
from runbus.cli.problems import CliError
from runbus.contracts.commands import ChangeDeadline, DeadlineAction
from runbus.contracts.durations import DurationError, parse_duration
from runbus.contracts.states import Threshold

_SAME_AS_RUNNING = "executing"


def change_of(
    *, extend: str | None, at: str | None, pause: bool, resume: bool, reason: str
) -> ChangeDeadline:
    """Return the change that is asked for; its threshold is yet to be filled in.

    Raises:
        CliError: none or several are asked for, or a time cannot be read.

    """
    asked = [extend is not None, at is not None, pause, resume]
    if sum(asked) != 1:
        raise CliError(
            "deadline takes one of --extend, --at, --pause and --resume",
            way_out="such as `runbus deadline RUN --extend 2h`",
        )
    action = (
        DeadlineAction.EXTEND, DeadlineAction.MOVE, DeadlineAction.PAUSE, DeadlineAction.RESUME
    )[asked.index(True)]  # fmt: skip
    return ChangeDeadline(
        threshold=Threshold.UNKNOWN,
        action=action,
        extend_s=_seconds(extend) if extend is not None else None,
        at=moment_of(at, datetime.now().astimezone()).astimezone(UTC) if at is not None else None,
        message=reason,
    )


def threshold_of(text: str | None) -> Threshold | None:
    """Return the threshold that somebody names; None where nobody does.

    Raises:
        CliError: there is none of that name.

    """
    if text is None:
        return None
    known = {key.value: key for key in Threshold if key is not Threshold.UNKNOWN}
    name = text.strip().lower().replace("-", "_")
    found = Threshold.RUNNING if name == _SAME_AS_RUNNING else known.get(name)
    if found is None:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise CliError(
            f"there is no limit on {text!r}", way_out=f"{hint}limits: {', '.join(known)}"
        )
    return found


def _seconds(text: str) -> float:
    try:
        found = parse_duration(text)
    except DurationError as error:
        raise CliError(f"--extend {text!r}: {error}", way_out="such as 30m or 2h") from error
    assert found is not None
    return found
