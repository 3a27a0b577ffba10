"""Settings of the scheduler."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from runbus.runtime.config import ServiceConfig


class SchedulerConfig(ServiceConfig, frozen=True, kw_only=True):
    """What the scheduler can be told."""

    defaults_file: Annotated[str, Meta(description="limits on concurrent runs")] = ""
