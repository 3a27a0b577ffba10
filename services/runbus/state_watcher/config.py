"""Settings of the state-watcher."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from runbus.runtime.config import KubeConfig
from runbus.runtime.kube import WATCH_SILENCE_S
from runbus.state_watcher.holding import UNPACKED_MAX


class WatcherConfig(KubeConfig, frozen=True, kw_only=True):
    """What the state-watcher can be told."""

    abort_never_pullable: Annotated[
        bool, Meta(description="abort at once what can never be pulled")
    ] = True
    unreachable_force_after_s: Annotated[
        float, Meta(description="as the aborter's own setting of that name", gt=0)
    ] = 300.0
    watch_silence_s: Annotated[
        float, Meta(description="a watch that brings nothing for so long is opened anew", gt=0)
    ] = WATCH_SILENCE_S
    workers: Annotated[int, Meta(description="runs looked at at once", ge=1)] = 64
    in_hand_max: Annotated[int, Meta(description="commands in hand at once", ge=1)] = 64
    unpacked_max: Annotated[
        int, Meta(description="runs kept as they are; all others are packed (ADR 24)", ge=1)
    ] = UNPACKED_MAX
