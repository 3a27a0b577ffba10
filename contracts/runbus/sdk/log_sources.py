"""Where the output of a running program can be read: not on the bus, but where its pod is.

The client alone has no way there. A distribution that has one names it under the entry point group
`runbus.log_sources`; the command line's is found so, where it is installed (ADR-0020).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.metadata import entry_points
from typing import Protocol

from runbus.contracts.status import RunStatus

GROUP = "runbus.log_sources"


class LogUnavailableError(Exception):
    """The output cannot be read where the pod is; the message says why. What is kept may be."""


class LogSource(Protocol):
    """Reads the output of a run's pods."""

    def lines(self, status: RunStatus, attempt: int, *, follow: bool) -> AsyncIterator[str]:
        """Yield the lines of an attempt's main container, without their ends.

        Args:
            status: of the run.
            attempt: whose output.
            follow: go on until the program has ended.

        Raises:
            LogUnavailableError: there is no pod any longer, no way to it, or it has not started.

        """


def find_log_source() -> LogSource | None:
    """Return the first source that is installed with all that it needs."""
    for found in entry_points(group=GROUP):
        try:
            source: LogSource = found.load()()
        except ImportError:
            continue  # an extra of it is missing
        return source
    return None
