"""The client's own rate limit: qps and burst as in client-go, on a clock that the test turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbus.runtime.token_bucket import TokenBucket, burst_of

PATIENT_S = 1e9


def waits(
    bucket: TokenBucket, count: int, now: float, patience_s: float = PATIENT_S
) -> list[float]:
    return [bucket.take(now, patience_s) for _ in range(count)]


def test_a_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    bucket = TokenBucket(qps=10, burst=3, now=100.0)
    assert waits(bucket, 5, 100.0) == pytest.approx([0, 0, 0, 0.1, 0.2])


def test_a_burst_comes_back_with_time_and_is_never_exceeded() -> None:
    bucket = TokenBucket(qps=10, burst=3, now=0.0)
    waits(bucket, 3, 0.0)
    assert waits(bucket, 3, 0.2) == pytest.approx([0, 0, 0.1])
    assert waits(bucket, 4, 60.0) == pytest.approx([0, 0, 0, 0.1])


def test_who_would_wait_too_long_takes_nothing_and_learns_how_long() -> None:
    bucket = TokenBucket(qps=1, burst=1, now=0.0)
    assert waits(bucket, 4, 0.0, patience_s=2.0) == pytest.approx([0, 1, 2, 3])
    assert bucket.take(0.0, 2.0) == pytest.approx(3), "the one before has taken nothing"
    assert bucket.take(1.0, 2.0) == pytest.approx(2)


@pytest.mark.parametrize(
    ("qps", "burst", "found"), [(50, 0, 100), (50, -1, 100), (50, 7, 7), (0.2, 0, 1)]
)
def test_a_burst_that_nobody_named_is_twice_the_rate(qps: float, burst: int, found: int) -> None:
    assert burst_of(qps, burst) == found


@given(
    qps=st.floats(0.1, 1000),
    burst=st.integers(1, 50),
    steps=st.lists(st.tuples(st.floats(0, 2), st.floats(0, 5)), max_size=60),
)
def test_no_span_of_time_sees_more_than_a_burst_and_its_rate(
    qps: float, burst: int, steps: list[tuple[float, float]]
) -> None:
    bucket, now, sent = TokenBucket(qps, burst, 0.0), 0.0, []
    for passes, patience_s in steps:
        now += passes
        wait_s = bucket.take(now, patience_s)
        if wait_s <= patience_s:
            sent.append(now + wait_s)

    assert sent == sorted(sent), "first come, first served"
    for first, begin in enumerate(sent):
        for last in range(first, len(sent)):
            allowed = burst + qps * (sent[last] - begin)
            assert last - first + 1 <= allowed + 1e-6 * (1 + allowed)
