"""Moments as people write them after `--at`. Pure: "now" comes in as an argument."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from runbus.cli.problems import CliError
from runbus.contracts.durations import DurationError, parse_duration

EXAMPLES = "such as 18:30, 2026-11-25T18:30, 2026-11-25T18:30:00Z or +2h"


def moment_of(text: str, now: datetime) -> datetime:
    """Return the moment that a text means, with its zone.

    `+2h` counts from now; `18:30` is the next such time; without a zone the zone of `now` counts.

    Raises:
        CliError: it is none of these.

    """
    try:
        if text.startswith("+"):
            return now + timedelta(seconds=parse_duration(text[1:].strip()) or 0.0)
        if len(text) <= len("18:30:00"):
            return _next(time.fromisoformat(text), now)
        found = datetime.fromisoformat(text)
    except DurationError as error:
        raise CliError(f"--at {text!r}: {error}", way_out=EXAMPLES) from error
    except (ValueError, OverflowError) as error:
        raise CliError(f"--at {text!r} is no moment", way_out=EXAMPLES) from error
    return found if found.tzinfo is not None else found.replace(tzinfo=now.tzinfo)


def _next(wanted: time, now: datetime) -> datetime:
    found = now.replace(hour=wanted.hour, minute=wanted.minute, second=wanted.second, microsecond=0)
    return found if found > now else found + timedelta(days=1)
