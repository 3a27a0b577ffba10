"""Settings of the pod-launcher."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from runbus.runtime.config import KubeConfig


class LauncherConfig(KubeConfig, frozen=True, kw_only=True):
    """What the pod-launcher can be told."""

    in_hand_max: Annotated[int, Meta(description="runs created at once", ge=1, le=1000)] = 64
