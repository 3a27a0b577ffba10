"""PURE: how many requests a second may go out, by a token bucket.

`qps` and `burst` mean what they mean in client-go (ADR 28). Time comes in as an argument, in
seconds of any clock that never goes back. It must not know what is asked for, nor how anybody
waits.
"""

from __future__ import annotations


class TokenBucket:
    """`burst` tokens at most, `qps` new ones a second; who comes first gets the next one."""

    def __init__(self, qps: float, burst: int, now: float) -> None:
        self._qps = qps
        self._burst = burst
        self._tokens = float(burst)  # below 0: so many are promised to who waits already
        self._filled_at = now

    def take(self, now: float, patience_s: float) -> float:
        """Take the next token; return the seconds until it is there.

        Where that is longer than `patience_s`, nothing is taken: whoever asks does not wait, and
        holds up nobody behind.
        """
        filled = self._tokens + (now - self._filled_at) * self._qps
        self._tokens, self._filled_at = min(float(self._burst), filled), now
        wait_s = max(0.0, (1.0 - self._tokens) / self._qps)
        if wait_s <= patience_s:
            self._tokens -= 1.0
        return wait_s


def burst_of(qps: float, burst: int) -> int:
    """Return how many requests may go out at once; where nobody says, twice a second's."""
    return burst if burst > 0 else max(1, round(2 * qps))
