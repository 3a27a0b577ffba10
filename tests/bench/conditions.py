"""Under what conditions figures were taken: machine, load, versions. Read, never guessed."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.settings import Scale
from runbus.cli.stack.nats import find_binary

PACKAGES = ("nats-py", "msgspec", "kubernetes_asyncio", "aiohttp", "uvloop")
ROOT = Path(__file__).resolve().parents[2]


def conditions(scale: Scale) -> Mapping[str, str]:
    """Return what has to be quoted with every figure."""
    load = ", ".join(f"{each:.2f}" for each in os.getloadavg())
    return {
        "taken": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "scale": scale.value,
        "commit": _said(["git", "-C", str(ROOT), "describe", "--always", "--dirty"]),
        "cpu": f"{_cpu_model()}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{_memory_gib():.0f} GiB",
        "kernel": platform.release(),
        "load before (1, 5, 15 min)": load,
        "python": platform.python_version(),
        "nats-server": _said([find_binary(), "--version"]).removeprefix("nats-server: "),
        "nats-server's sync": "its default (fsync every 2 minutes), file storage, one replica",
        **{name: version(name) for name in PACKAGES},
    }


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _said(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"
