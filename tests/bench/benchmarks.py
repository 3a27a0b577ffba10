"""The benchmarks by name, the quickest first."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from bench import (
    bus,
    deadlines,
    failover,
    launching,
    live,
    publishing,
    quiet,
    reading,
    rendering,
    submitting,
    sweeping,
    throughput,
    timers,
)
from bench.figures import Outcome
from bench.settings import Setting

BENCHMARKS: dict[str, Callable[[Setting], Coroutine[Any, Any, Outcome]]] = {
    "rendering": rendering.run,
    "reading": reading.run,
    "publishing": publishing.run,
    "timers": timers.run,
    "sweeping": sweeping.run,
    "submitting": submitting.run,
    "throughput": throughput.run,
    "launching": launching.run,
    "deadlines": deadlines.run,
    "quiet": quiet.run,
    "bus": bus.run,
    "failover": failover.run,
    "live": live.run,
}
