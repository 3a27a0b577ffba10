"""What can go wrong on the bus, in our own words. nats-py's errors are translated at the edge."""

from __future__ import annotations


class BusError(Exception):
    """Anything that went wrong between this program and the bus."""


class BusUnreachableError(BusError):
    """No connection, no answer, or no stream that answers. May pass: try again."""


class BusTimeoutError(BusUnreachableError):
    """No answer in time. What was asked for may have been done all the same."""


class WrongSequenceError(BusError):
    """Compare-and-set failed (errors 10071 and 10164): somebody else was faster, or is just now."""


class BusRefusedError(BusError):
    """The server answered with an error that trying again does not mend."""

    def __init__(self, message: str, *, code: int = 0, error_code: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.error_code = error_code


class TooLargeError(BusRefusedError):
    """A message that is larger than the server takes; it was not sent."""


class NotFoundError(BusRefusedError):
    """The server answered that there is no such thing: stream, consumer or message."""
