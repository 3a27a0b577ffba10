"""Metrics as Prometheus reads them."""

from __future__ import annotations

import re

import structlog
from prometheus_client.parser import text_string_to_metric_families

from runbus.contracts.streams import ABORT_CONSUMER, COMMANDS
from runbus.contracts.transitions import Publisher
from runbus.runtime.clock import SystemClock
from runbus.runtime.inbox import Delivery, Inbox
from runbus.runtime.metrics import Metrics
from runbus.runtime.pull import Puller
from runbus.runtime.runlog import RunLog
from runbus.sdk.bus import Bus
from runbus.sdk.quick_client import QuickClient

OF_PROCESSES = "process_"


async def nobody(_delivery: Delivery, _reason: str) -> None:
    """Set nothing aside."""


def families(metrics: Metrics) -> dict[str, float]:
    """Return every sample by its name and labels."""
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_a_counter_ends_in_total_and_counts_by_its_labels() -> None:
    metrics = Metrics()
    metrics.messages.labels("aborter-abort", "handled").inc()
    metrics.messages.labels("aborter-abort", "handled").inc()

    assert families(metrics)["runbus_messages_total['aborter-abort', 'handled']"] == 2


def test_a_gauge_is_read_when_the_metrics_are() -> None:
    metrics = Metrics()
    armed = [3.0]
    metrics.gauge("timers_armed", "Keys with a timer", lambda: armed[0])

    before = families(metrics)["runbus_timers_armed[]"]
    armed[0] = 4.0

    assert (before, families(metrics)["runbus_timers_armed[]"]) == (3.0, 4.0)


def test_gauges_have_one_value_for_each_member() -> None:
    metrics = Metrics()
    metrics.gauges("runs", "Runs by state", "state", lambda: {"running": 2, "queued": 1})

    found = families(metrics)
    assert found["runbus_runs['running']"] == 2
    assert found["runbus_runs['queued']"] == 1


def test_two_processes_in_one_have_metrics_of_their_own() -> None:
    first, second = Metrics(), Metrics()
    first.reconnects.inc()

    assert families(second)["runbus_bus_reconnects_total[]"] == 0


def test_names_follow_the_conventions_of_prometheus() -> None:
    names = [family.name for family in text_string_to_metric_families(Metrics().render().decode())]

    ours = [name for name in names if not name.startswith(OF_PROCESSES)]
    assert ours
    for name in ours:
        assert re.fullmatch(r"runbus_[a-z_]+", name), name
        assert "_ms" not in name, name


def test_what_alerts_count_begins_at_zero() -> None:
    metrics, bus = Metrics(), Bus(QuickClient())
    Inbox(
        bus,
        Puller(bus, COMMANDS, ABORT_CONSUMER, in_hand_max=1),
        structlog.get_logger(),
        SystemClock(),
        set_aside=nobody,
        metrics=metrics,
    )
    RunLog(bus, Publisher.ABORTER, SystemClock(), metrics)

    found = families(metrics)
    assert found[f"runbus_messages_total['{ABORT_CONSUMER}', 'set_aside']"] == 0
    assert found["runbus_bus_refusals_total['publish']"] == 0
