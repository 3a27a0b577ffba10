"""The numbers of an effective document: thresholds, retry policy, times in seconds.

For the status, where timers and policies read them. It must not know clocks: when a limit passes
is for those who hold the run.
"""

from __future__ import annotations

import math

from msgspec import Struct

from runbus.contracts.document import Retry, RunDocument, StateThresholds
from runbus.contracts.durations import parse_duration
from runbus.contracts.states import Threshold
from runbus.contracts.status import Limit, RetryPolicy


class DocumentLimits(Struct, frozen=True, kw_only=True):
    """The limits and times of one run, in seconds."""

    thresholds: dict[str, Limit] = {}
    retry: RetryPolicy = RetryPolicy()
    ttl_after_finish_s: float | None = None
    termination_grace_period_s: int | None = None


_KEYS = tuple(each.value for each in Threshold if each is not Threshold.UNKNOWN)


def limits_of(document: RunDocument) -> DocumentLimits:
    """Return the limits of an effective document, as `resolve` has made it.

    A threshold that is not there has no limit and does not appear; one of `-1` appears with None.
    `ttl_after_finish_s` is None where finished objects stay for good.

    Raises:
        DurationError: the document has not gone through `resolve`.

    """
    ttl = document.ttl_after_finish
    return DocumentLimits(
        thresholds=_thresholds(document.state_thresholds),
        retry=_retry(document.retry),
        ttl_after_finish_s=parse_duration(ttl, allow_infinite=True) if ttl is not None else None,
        termination_grace_period_s=grace_s(document),
    )


def grace_s(document: RunDocument) -> int | None:
    """Return the time from SIGTERM to SIGKILL in whole seconds, rounded up; None: the default."""
    text = document.termination_grace_period
    seconds = parse_duration(text) if text is not None else None
    return math.ceil(seconds) if seconds is not None else None


def _thresholds(given: StateThresholds | None) -> dict[str, Limit]:
    if given is None:
        return {}
    texts = ((key, getattr(given, key)) for key in _KEYS)
    return {
        key: Limit(limit_s=parse_duration(text, allow_infinite=True))
        for key, text in texts
        if text is not None
    }


def _retry(given: Retry | None) -> RetryPolicy:
    """Return the policy; a default maximum never lies below the backoff that was asked for."""
    shipped = RetryPolicy()
    if given is None:
        return shipped
    backoff_s, backoff_max_s = shipped.backoff_s, shipped.backoff_max_s
    if given.backoff_max is not None:
        backoff_max_s = parse_duration(given.backoff_max) or backoff_max_s
        backoff_s = min(backoff_s, backoff_max_s)
    if given.backoff is not None:
        backoff_s = parse_duration(given.backoff) or backoff_s
        backoff_max_s = max(backoff_s, backoff_max_s)
    return RetryPolicy(
        limit=given.limit if given.limit is not None else shipped.limit,
        backoff_s=backoff_s,
        backoff_max_s=backoff_max_s,
        on=given.on if given.on is not None else shipped.on,
    )
