"""What a service counts and times, for Prometheus at `/metrics`.

Every name begins with `runbus_`, has its unit last and `_total` on what only grows. Labels come
from enums and from our own configuration: never a run id, a user's text or a project, so that the
number of series has a bound. Must not know what the numbers mean for a run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# From a bus round trip to an election of its leader.
_SHORT_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# A run's stay in a state: from a blink to a week.
_LONG_S = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400, 43_200, 86_400, 604_800)

Reading = Callable[[], Mapping[str, float]]


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Info("runbus_build", "Version of this process", registry=self.registry).info(
            {"version": _version(), "python": sys.version.split()[0]}
        )
        self._count_messages()
        self._count_kubernetes()
        self._count_runs()
        self._count_lateness()

    def _count_messages(self) -> None:
        self.messages = self._counter(
            "messages", "Messages by what became of them", "consumer", "fate"
        )
        self.redeliveries = self._counter(
            "redeliveries", "Messages that had been delivered before", "consumer"
        )
        self.message_s = self._histogram(
            "message_duration_seconds", "To handle a message", _SHORT_S, "consumer"
        )
        self.waiting = self._gauge(
            "messages_waiting", "Messages not yet delivered, when one last was", "consumer"
        )
        self.in_hand = self._gauge("messages_in_hand", "Messages not yet answered", "consumer")
        self.reconnects = self._counter("bus_reconnects", "Connections to the bus regained")
        self.refused = self._counter(
            "bus_refusals", "Publishes and subscriptions that the bus refused", "operation"
        )

    def _count_kubernetes(self) -> None:
        self.kube_requests = self._counter(
            "kube_requests", "Requests by method and status code; 0: no answer", "method", "code"
        )
        self.kube_request_s = self._histogram(
            "kube_request_duration_seconds", "Of a request", _SHORT_S, "method"
        )
        self.kube_rate_limiter_s = self._histogram(
            "kube_rate_limiter_duration_seconds",
            "That a request waited for kube_qps and kube_burst; none where there is no limit",
            _SHORT_S,
        )
        self.kube_refused = self._counter(
            "kube_refusals",
            "Requests that Kubernetes refused for a right that the service cannot do without",
            "verb",
            "resource",
        )
        self.watch_events = self._counter("watch_events", "Watch events by type", "type")
        self.watch_ends = self._counter("watch_ends", "Watches that ended, by cause", "cause")
        self.watch_heard_at_s = self._gauge(
            "watch_heard_timestamp_seconds",
            "When a watch last brought anything; namespace *: all of them",
            "namespace",
        )

    def _count_runs(self) -> None:
        self.events = self._counter(
            "events_published",
            "Events of runs by type and result: stored, found (stored before), stale",
            "type",
            "result",
        )
        self.publish_s = self._histogram(
            "event_publish_duration_seconds", "To store an event, with all its tries", _SHORT_S
        )
        self.runs_ended = self._counter(
            "runs_ended", "Runs that this service ended", "kind", "state", "outcome_class"
        )
        self.state_s = self._histogram(
            "run_state_duration_seconds", "A run's stay in the state it leaves", _LONG_S, "state"
        )
        self.defaults_rejected = self._counter(
            "defaults_rejected", "Revisions of the defaults that were refused, and had no effect"
        )
        self.shards_gained = self._counter(
            "shards_gained",
            "Shards that this replica got: free, handed_over, or taken_over from a dead one",
            "origin",
        )
        self.runs_purged = self._counter("runs_purged", "Runs forgotten by the retention sweep")

    def _count_lateness(self) -> None:
        self.timer_lateness_s = self._histogram(
            "timer_lateness_seconds", "From what a timer was set for to its ringing", _SHORT_S
        )
        self.abort_lateness_s = self._histogram(
            "abort_lateness_seconds", "From a deadline to the decision to abort", _SHORT_S
        )
        self.loop_lag_s = self._gauge(
            "event_loop_lag_seconds", "How late the event loop's last heartbeat was"
        )

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"runbus_{name}", about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"runbus_{name}", about, labels, registry=self.registry)

    def _histogram(
        self, name: str, about: str, buckets: Sequence[float], *labels: str
    ) -> Histogram:
        return Histogram(f"runbus_{name}", about, labels, buckets=buckets, registry=self.registry)

    def gauge(self, name: str, about: str, read: Callable[[], float]) -> None:
        """Have a value read whenever the metrics are."""
        self.registry.register(_Read(f"runbus_{name}", about, "", lambda: {"": read()}))

    def gauges(self, name: str, about: str, label: str, read: Reading) -> None:
        """Have the values of a label's members read whenever the metrics are."""
        self.registry.register(_Read(f"runbus_{name}", about, label, read))

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)


class _Read(Collector):
    """Values that somebody has anyway, read at each scrape."""

    def __init__(self, name: str, about: str, label: str, read: Reading) -> None:
        self._name, self._about, self._label, self._read = name, about, label, read

    def describe(self) -> list[GaugeMetricFamily]:
        """Return the family without values: registering must not read any."""
        return [self._family()]

    def collect(self) -> list[GaugeMetricFamily]:
        """Return the values as they are now."""
        family = self._family()
        for member, value in self._read().items():
            family.add_metric([member] if self._label else [], value)
        return [family]

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(
            self._name, self._about, labels=[self._label] if self._label else []
        )


def _version() -> str:
    try:
        return metadata.version("runbus")
    except metadata.PackageNotFoundError:
        return "unknown"
