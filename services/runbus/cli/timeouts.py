"""What people write after --timeout."""

from __future__ import annotations

from runbus.cli.problems import CliError


def timeout_of(text: str | None) -> float | None:
    """Return seconds: a plain number, or a duration as in run documents; None for no limit (-1).

    Raises:
        CliError: it is neither.

    """
    if text is None:
        return None
    if text.isascii() and text.isdigit() and int(text) > 0:
        return float(text)
    return _duration(text)


def _duration(text: str) -> float | None:
    from runbus.contracts.durations import DurationError, parse_duration

    try:
        return parse_duration(text)
    except DurationError as error:
        raise CliError(f"--timeout {text!r}: {error}", way_out="such as 30s, 5m or 90") from error
