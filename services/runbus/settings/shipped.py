"""The defaults that come with runbus, below the operator's. Source: page on settings, section 2.

Those of every kind, and those of one kind. A GPU's type is no default among `resources` (there are
none): it is filled in where a count is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbus.contracts.document import LogLevel, PreemptionMode
from runbus.contracts.document_kinds import DaskMode, SparkType
from runbus.contracts.durations import INFINITE
from runbus.contracts.states import Kind, Threshold

SHIPPED: Mapping[str, Any] = {
    "preemption_mode": PreemptionMode.PREVENT.value,
    "state_thresholds": {
        Threshold.PENDING_NOT_SCHEDULED.value: INFINITE,
        Threshold.PENDING_SCHEDULED.value: "1h",
        Threshold.IMAGE_PULL_BACKOFF.value: "1h",
        Threshold.RUNNING.value: "24h",
    },
    "ttl_after_finish": "1h",
    # RUNBUS_LOG_LEVEL is among the variables of every run, so that there is always a level.
    "log_level": LogLevel.INFO.value,
}

_OF_FUNCTIONS: Mapping[str, Any] = {
    "min_replicas": 1,
    "max_replicas": 4,
    "target_cpu": 75,
    "nuclio": {"http": {"workers": 1, "worker_timeout": "10s"}},
}
_OF_KIND: Mapping[Kind, Mapping[str, Any]] = {
    Kind.MPIJOB: {"replicas": 1},
    Kind.SPARK: {"replicas": 1, "spark": {"type": SparkType.PYTHON.value}},
    Kind.DASK: {
        "min_replicas": 0,
        "max_replicas": 16,
        "dask": {"mode": DaskMode.CLUSTER.value},
    },
    Kind.NUCLIO: _OF_FUNCTIONS,
    Kind.SERVING: _OF_FUNCTIONS,
}


def shipped_of(kind: Kind | None) -> Mapping[str, Any]:
    """Return the defaults that come with runbus for a kind; of one not known, those of all."""
    of_kind = _OF_KIND.get(kind) if kind is not None else None
    return {**SHIPPED, **of_kind} if of_kind else SHIPPED
