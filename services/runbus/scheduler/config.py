"""Settings of the scheduler."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from runbus.runtime.config import ServiceConfig
from runbus.scheduler.retention import IDEMPOTENCY_HORIZON_DAYS, RETENTION_DAYS


class SchedulerConfig(ServiceConfig, frozen=True, kw_only=True):
    """What the scheduler can be told."""

    defaults_file: Annotated[str, Meta(description="what holds while the bus has no defaults")] = ""
    retention_days: Annotated[
        float,
        Meta(
            description="days a run stays on the bus after its end; at least as long as an"
            " idempotency key is remembered",
            ge=IDEMPOTENCY_HORIZON_DAYS,
        ),
    ] = RETENTION_DAYS
    sweep_every_s: Annotated[float, Meta(description="between two sweeps", ge=1)] = 3600.0
