"""The numbers of a document: thresholds, retry policy and times in seconds."""

from __future__ import annotations

from typing import Any

import pytest

from runbus.contracts.status import Limit, RetryPolicy
from runbus.settings.limits import limits_of
from support.documents import effective


def test_thresholds_are_seconds_and_minus_one_is_no_limit() -> None:
    limits = limits_of(effective(state_thresholds={"running": "1h30m", "total": "-1"}))
    assert limits.thresholds == {"running": Limit(limit_s=5400), "total": Limit(limit_s=None)}


def test_without_settings_there_are_no_limits_and_no_retries() -> None:
    limits = limits_of(effective())
    found = (limits.thresholds, limits.retry, limits.ttl_after_finish_s)
    assert found == ({}, RetryPolicy(), None)
    assert limits.termination_grace_period_s is None


RETRIES: list[tuple[dict[str, Any], RetryPolicy]] = [
    ({}, RetryPolicy()),
    ({"limit": 2}, RetryPolicy(limit=2)),
    ({"limit": 0, "on": []}, RetryPolicy(limit=0, on=())),
    (
        {"limit": 1, "backoff": "5s", "backoff_max": "1m", "on": ["user", "OOMKilled"]},
        RetryPolicy(limit=1, backoff_s=5, backoff_max_s=60, on=("user", "OOMKilled")),
    ),
    # a default gives way to the bound that was asked for
    ({"backoff": "1h"}, RetryPolicy(backoff_s=3600, backoff_max_s=3600)),
    ({"backoff_max": "10s"}, RetryPolicy(backoff_s=10, backoff_max_s=10)),
]


@pytest.mark.parametrize(("given", "expected"), RETRIES)
def test_a_retry_policy_fills_what_is_missing_from_the_shipped_one(
    given: dict[str, Any], expected: RetryPolicy
) -> None:
    assert limits_of(effective(retry=given)).retry == expected


@pytest.mark.parametrize(("given", "seconds"), [("1h", 3600.0), ("-1", None), (None, None)])
def test_finished_objects_stay_for_their_time_or_for_good(
    given: str | None, seconds: float | None
) -> None:
    assert limits_of(effective(ttl_after_finish=given)).ttl_after_finish_s == seconds


@pytest.mark.parametrize(("given", "seconds"), [("25s", 25), ("1500ms", 2), ("1m", 60)])
def test_part_of_a_second_of_grace_is_rounded_up(given: str, seconds: int) -> None:
    limits = limits_of(effective(termination_grace_period=given))
    assert limits.termination_grace_period_s == seconds
