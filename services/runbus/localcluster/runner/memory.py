"""Watches the memory of containers that have a limit, and kills those that pass it.

A container's processes are its session. Their resident memory is summed several times a second
(cheap, but counts shared pages of each process); where that is more than the limit, their
proportional anonymous and shared memory decides, as a cgroup would count it. What happens between
two looks is not seen. A process that the kernel's own OOM killer ended looks like any SIGKILL.
"""

import asyncio
import contextlib
import os
import pathlib
from collections.abc import Mapping

import structlog

_PROC = pathlib.Path("/proc")
_LOOK_S = 0.15
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SESSION, _RESIDENT = 3, 21  # of /proc/PID/stat, counted behind the name
_COUNTED = ("Pss_Anon:", "Pss_Shmem:")
_log = structlog.get_logger("runner")


class MemoryWatch:
    """The limits of the containers that run; says which were killed for passing theirs."""

    def __init__(self) -> None:
        self._limits: dict[int, int] = {}
        self._killed: set[int] = set()
        self._some = asyncio.Event()

    def limit(self, session: int, limit_bytes: int) -> None:
        """Watch a session from now on."""
        self._limits[session] = limit_bytes
        self._some.set()

    def release(self, session: int) -> bool:
        """Watch it no more; says whether it was killed for its memory."""
        self._limits.pop(session, None)
        if session in self._killed:
            self._killed.discard(session)
            return True
        return False

    async def run(self) -> None:
        """Look for ever; ends by cancellation only."""
        while True:
            if not self._limits:
                self._some.clear()
                await self._some.wait()
            await asyncio.to_thread(self._look, dict(self._limits))
            await asyncio.sleep(_LOOK_S)

    def _look(self, limits: dict[int, int]) -> None:
        for session, members in sessions(frozenset(limits)).items():
            limit = limits[session]
            if sum(members.values()) <= limit:
                continue
            # twice: processes that fork or end between two readings are counted wrongly once
            used = min(counted(members), counted(members))
            if used > limit and session in self._limits:
                _log.info("a container passed its memory limit", used=used, limit=limit)
                self._killed.add(session)
                for pid in members:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, 9)


def sessions(wanted: frozenset[int]) -> dict[int, dict[int, int]]:
    """The processes of some sessions with their resident bytes."""
    found: dict[int, dict[int, int]] = {}
    for name in os.listdir(_PROC):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = (_PROC / name / "stat").read_bytes().rpartition(b")")[2].split()
            session = int(stat[_SESSION])
            if session in wanted:
                found.setdefault(session, {})[int(name)] = int(stat[_RESIDENT]) * _PAGE_BYTES
    return found


def counted(members: Mapping[int, int]) -> int:
    """What a cgroup would count of some processes, given with their resident bytes."""
    return sum(counted_bytes(pid, resident) for pid, resident in members.items())


def counted_bytes(pid: int, resident: int) -> int:
    """What a cgroup would count of a process; its resident bytes where that cannot be read."""
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has ended
    except OSError:
        return resident
    kib = [int(line.split()[1]) for line in lines if line.startswith(_COUNTED)]
    return sum(kib) * 1024 if kib else resident
