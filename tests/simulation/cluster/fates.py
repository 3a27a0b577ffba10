"""What becomes of a pod: drawn by the scenario, carried out by the simulated kubelet."""

from __future__ import annotations

from msgspec import Struct


class Fate(Struct, frozen=True, kw_only=True):
    """One pod's way, in seconds. None is never.

    `scales_up`: an autoscaler says that it adds a node for the pod. `image`: ok, missing (may be
    there after `image_after_s`) or invalid. `on_term`: what the program does about SIGTERM.
    `deleted_after_s`, `evicted_after_s`, `purged_after_s`: what others do to the pod: a delete with
    its grace, an eviction, a forced delete that leaves no trace.
    """

    bind_after_s: float | None = 0.05
    scales_up: bool = False
    image: str = "ok"
    image_after_s: float | None = None
    pull_s: float = 0.2
    config_error_s: float | None = 0.0
    run_s: float | None = 1.0
    exit_code: int = 0
    on_term: str = "exit 143"
    term_s: float = 0.1
    deleted_after_s: float | None = None
    evicted_after_s: float | None = None
    purged_after_s: float | None = None


def told(fate: Fate) -> str:
    """Return a fate in a few words, for stories."""
    parts: list[str] = []
    if fate.bind_after_s is None:
        parts.append("never scheduled")
    if fate.scales_up:
        parts.append("nodes are added")
    if fate.image != "ok":
        heals = "" if fate.image_after_s is None else f" until {fate.image_after_s:.1f} s"
        parts.append(f"image {fate.image}{heals}")
    if fate.config_error_s is None or fate.config_error_s > 0:
        parts.append("config error")
    runs = "runs for ever" if fate.run_s is None else f"runs {fate.run_s:.1f} s"
    parts.append(f"{runs}, exit {fate.exit_code}, on SIGTERM {fate.on_term}")
    for name in ("deleted", "evicted", "purged"):
        after_s = getattr(fate, f"{name}_after_s")
        if after_s is not None:
            parts.append(f"{name} by others after {after_s:.1f} s")
    return "; ".join(parts)
