"""The defaults that come with runbus, below the operator's. Source: page on settings, section 2.

Only what kind `job` has stands here; scaling and the other kinds bring their own. A GPU's type is
no default among `resources` (there are none): it is filled in where a count is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbus.contracts.document import LogLevel, PreemptionMode
from runbus.contracts.durations import INFINITE
from runbus.contracts.states import Threshold

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
