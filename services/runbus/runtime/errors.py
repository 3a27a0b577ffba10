"""The three fates of a message. Everything a handler raises is one of these."""

from __future__ import annotations


class RetryableError(Exception):
    """Not now: the message comes back after a delay."""

    def __init__(self, message: str, *, delay_s: float = 1.0) -> None:
        super().__init__(message)
        self.delay_s = delay_s


class PoisonError(Exception):
    """Never: the message goes to the dead letters with this reason."""


class FatalError(Exception):
    """The process cannot go on; the platform restarts it."""
