"""Kubernetes' two time formats. Knows no clock: seconds since the epoch come in."""

import datetime as dt
import functools


@functools.lru_cache(maxsize=64)
def _of_second(second: int) -> str:
    return dt.datetime.fromtimestamp(second, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_time(epoch_s: float) -> str:
    """Write metav1.Time: RFC 3339 in UTC, floored to a second."""
    return _of_second(int(epoch_s))


def to_micro_time(epoch_s: float) -> str:
    """Write metav1.MicroTime: RFC 3339 in UTC with microseconds."""
    moment = dt.datetime.fromtimestamp(epoch_s, dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_time(text: str) -> float:
    """Read either format to seconds since the epoch; ValueError where it is neither."""
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return moment.timestamp()
