"""Settings of the aborter."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from runbus.runtime.config import KubeConfig


class AborterConfig(KubeConfig, frozen=True, kw_only=True):
    """What the aborter can be told."""

    unreachable_force_after_s: Annotated[
        float, Meta(description="a pod past its grace on a node that does not answer", gt=0)
    ] = 300.0
    log_lines: Annotated[int, Meta(description="kept of a container's log", ge=0)] = 1000
    in_hand_max: Annotated[int, Meta(description="commands in hand at once", ge=1)] = 256
