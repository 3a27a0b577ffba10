"""What a benchmark is told: how large to be, where to put things, whom to tell."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TypeVar, cast

import structlog
from msgspec import Struct

from runbus.runtime.logs import LEVELS, Log

T = TypeVar("T")

# Parts of services that run in the benchmark's own process tell of errors only.
ERRORS_ONLY = cast(
    "Log",
    structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS["error"]),
    ),
)


class Scale(StrEnum):
    """Full: what the goals are about. Quick: a look. Smoke: that it runs at all."""

    FULL = "full"
    QUICK = "quick"
    SMOKE = "smoke"


class Setting(Struct, frozen=True, kw_only=True):
    """One benchmark's surroundings. `folder` is empty and its own."""

    scale: Scale
    folder: Path
    tell: Callable[[str], None] = lambda _line: None

    def pick(self, *, full: T, quick: T, smoke: T) -> T:
        """Return the size that goes with the scale."""
        return {Scale.FULL: full, Scale.QUICK: quick, Scale.SMOKE: smoke}[self.scale]
