"""What people write after --timeout."""

from __future__ import annotations

from runbus.cli.problems import CliError


def timeout_of(text: str | None) -> float | None:
    """Return seconds: a plain number, or a duration as in run documents; None for none.

    Raises:
        CliError: it is neither.

    """
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = _duration(text)
    if not 0 < seconds < float("inf"):
        raise CliError(f"--timeout {text!r} is no time to wait", way_out="such as 30s, 5m or 90")
    return seconds


def _duration(text: str) -> float:
    from runbus.contracts.durations import DurationError, parse_duration

    try:
        return parse_duration(text)
    except DurationError as error:
        raise CliError(f"--timeout {text!r}: {error}", way_out="such as 30s, 5m or 90") from error
