"""What bus or Kubernetes refused this process, told loudly: a log line, and not ready.

A bus refuses by an error on the side: the request itself only gets no answer, which looks like a
slow bus, and an acknowledgement is lost without a word. What Kubernetes refuses looks like a run's
own trouble. Somebody has to grant a right, so the process says so until nothing has been refused
for a while. It must not know what the rights are for.
"""

from __future__ import annotations

from collections import OrderedDict

from prometheus_client import Counter

from runbus.contracts.rights import OPTIONAL
from runbus.runtime.clock import Clock
from runbus.runtime.kube_rights import Asked
from runbus.runtime.logs import Log

# Twice the time in which a right that is missing is asked for again: a lease each second, a pull
# each seven, a message not acknowledged each thirty, a pod that has to be deleted each five. A
# process that lacks one does not look ready while it needs it.
QUIET_S = 60.0
LOGGED_EVERY_S = 10.0  # of one subject
SUBJECTS_MAX = 100
SUBSCRIPTION = "subscription"
PUBLISH = "publish"


class _Refused:
    """One thing that was refused, and when last."""

    def __init__(self, at: float, *, stays: bool) -> None:
        self.at = at
        self.logged_at = at
        self.stays = stays


class Refusals:
    """Remembers what one side refused lately.

    Args:
        clock: of the process.
        log: where each is told.
        refused: counts each; labelled by who derives from this.
        by: who refuses.
        way_out: what somebody has to do.

    """

    def __init__(self, clock: Clock, log: Log, refused: Counter, *, by: str, way_out: str) -> None:
        self._clock = clock
        self._log = log
        self._counter = refused
        self._by = by
        self._way_out = way_out
        self._found: OrderedDict[str, _Refused] = OrderedDict()

    def take(self, what: str, *, stays: bool = False) -> None:
        """Take note of a refusal, such as `publish to "a.b"`.

        `stays`: it is not asked for again before the connection is made anew.
        """
        now = self._clock.monotonic()
        known = self._found.get(what)
        if known is None or now - known.logged_at >= LOGGED_EVERY_S:
            self._log.error(f"refused by {self._by}", refused=what, way_out=self._way_out)
            known = _Refused(now, stays=stays)
        known.at = now
        self._found[what] = known
        self._found.move_to_end(what)
        if len(self._found) > SUBJECTS_MAX:
            self._found.popitem(last=False)

    def on_reconnect(self) -> None:
        """Forget what stayed: it is asked for again, and refused again where need be."""
        for what in [each for each, known in self._found.items() if known.stays]:
            del self._found[what]

    def ready_problem(self) -> str | None:
        """Return what has been refused lately, the newest by name; None where nothing was."""
        since = self._clock.monotonic() - QUIET_S
        lately = [what for what, known in self._found.items() if known.at > since or known.stays]
        if not lately:
            return None
        more = f", and {len(lately) - 1} more" if len(lately) > 1 else ""
        return f"{self._by} refuses {lately[-1]}{more}"


class BusRefusals(Refusals):
    """Those of the bus: a subscription is refused once, and then until the next connection."""

    def __init__(self, clock: Clock, log: Log, refused: Counter) -> None:
        way_out = "give this identity the right in the server's configuration"
        super().__init__(clock, log, refused, by="the bus", way_out=way_out)

    def refused(self, what: str) -> None:
        """Take note, and count: `publish to "a.b"`, `subscription to "a.>"`."""
        is_subscription = what.startswith(SUBSCRIPTION)
        self._counter.labels(SUBSCRIPTION if is_subscription else PUBLISH).inc()
        self.take(what, stays=is_subscription)


class KubeRefusals(Refusals):
    """Those of Kubernetes, of rights that a service cannot do without."""

    def __init__(self, clock: Clock, log: Log, refused: Counter) -> None:
        way_out = "give this service's account the right in its Role: deploy/rendered"
        super().__init__(clock, log, refused, by="Kubernetes", way_out=way_out)

    def refused(self, asked: Asked) -> None:
        """Take note, and count; not where the service goes on without."""
        if asked.resource.partition("/")[0] not in OPTIONAL:
            self._counter.labels(asked.verb, asked.resource).inc()
            self.take(asked.text)
