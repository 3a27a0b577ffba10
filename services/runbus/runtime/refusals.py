"""What the bus refused this process, told loudly: a log line, a count, and not ready.

A server refuses by an error on the side: the request itself only gets no answer, which looks like
a slow bus, and an acknowledgement is lost without a word. Somebody has to mend the server's
configuration, so the process says so until nothing has been refused for a while. It must not know
what the subjects mean.
"""

from __future__ import annotations

from collections import OrderedDict

from prometheus_client import Counter

from runbus.runtime.clock import Clock
from runbus.runtime.logs import Log

# Twice the time in which a right that is missing is asked for again: a lease each second, a pull
# each seven, a message not acknowledged each thirty. A process that lacks one never looks ready.
QUIET_S = 60.0
LOGGED_EVERY_S = 10.0  # of one subject
SUBJECTS_MAX = 100
SUBSCRIPTION = "subscription"
PUBLISH = "publish"


class _Refused:
    """One thing that was refused, and when last."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.logged_at = at


class Refusals:
    """Remembers what was refused lately; subscriptions count until the connection is made anew."""

    def __init__(self, clock: Clock, log: Log, refused: Counter) -> None:
        self._clock = clock
        self._log = log
        self._counter = refused
        self._found: OrderedDict[str, _Refused] = OrderedDict()

    def take(self, what: str) -> None:
        """Take note of a refusal, such as `publish to "a.b"`."""
        self._counter.labels(_operation(what)).inc()
        now = self._clock.monotonic()
        known = self._found.get(what)
        if known is None or now - known.logged_at >= LOGGED_EVERY_S:
            way_out = "give this identity the right in the server's configuration"
            self._log.error("refused by the bus", refused=what, way_out=way_out)
            known = _Refused(now)
        known.at = now
        self._found[what] = known
        self._found.move_to_end(what)
        if len(self._found) > SUBJECTS_MAX:
            self._found.popitem(last=False)

    def on_reconnect(self) -> None:
        """Forget subscriptions: they are asked for again, and refused again where need be."""
        for what in [each for each in self._found if _operation(each) == SUBSCRIPTION]:
            del self._found[what]

    def ready_problem(self) -> str | None:
        """Return what has been refused lately, the newest by name; None where nothing was."""
        since = self._clock.monotonic() - QUIET_S
        lately = [
            what
            for what, known in self._found.items()
            if known.at > since or _operation(what) == SUBSCRIPTION
        ]
        if not lately:
            return None
        more = f", and {len(lately) - 1} more" if len(lately) > 1 else ""
        return f"the bus refuses {lately[-1]}{more}"


def _operation(what: str) -> str:
    return SUBSCRIPTION if what.startswith(SUBSCRIPTION) else PUBLISH
