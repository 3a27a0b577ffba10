"""CPU and memory of processes, from /proc. Linux only, as are the benchmarks."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# Of /proc/PID/stat, counted from behind the name: the parent, then user and system time, its own
# and that of children it has waited for.
_PARENT, _OWN, _REAPED = 1, slice(11, 13), slice(13, 15)


class Memory(Struct, frozen=True):
    """Resident memory now, and at its highest."""

    rss_mib: float
    peak_mib: float


def cpu_s(pid: int) -> float:
    """Return the seconds of CPU that a process has used, all its threads together."""
    return _seconds(_stat(pid)[_OWN])


def tree_cpu_s(pid: int) -> float:
    """Return the seconds of CPU of a process and of all that it has started, ended or not."""
    stats = {each: _stat(each) for each in _processes()}
    children: dict[int, list[int]] = defaultdict(list)
    for each, fields in stats.items():
        if fields:
            children[int(fields[_PARENT])].append(each)
    total, left = 0.0, [pid]
    while left:
        each = left.pop()
        fields = stats.get(each, [])
        total += _seconds(fields[_OWN]) + _seconds(fields[_REAPED])
        left += children[each]
    return total


def _processes() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def _stat(pid: int) -> list[str]:
    """Return the fields behind the name; none for a process that is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _seconds(ticks: Sequence[str]) -> float:
    return sum(map(int, ticks)) / _TICKS_A_SECOND


def memory(pid: int) -> Memory:
    """Return the resident memory of a process."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return Memory(_mib(lines["VmRSS"]), _mib(lines["VmHWM"]))


def _mib(text: str) -> float:
    return int(text.split()[0]) / 1024


class CpuMeter:
    """CPU of some processes from here on; of those in `trees`, with all that they start."""

    def __init__(self, pids: Mapping[str, int], trees: Collection[str] = ()) -> None:
        self._pids = dict(pids)
        self._trees = trees
        self._before = self._read()

    def used_s(self) -> dict[str, float]:
        """Return the seconds used by each since the meter was made."""
        return {name: now - self._before[name] for name, now in self._read().items()}

    def _read(self) -> dict[str, float]:
        return {
            name: tree_cpu_s(pid) if name in self._trees else cpu_s(pid)
            for name, pid in self._pids.items()
        }
