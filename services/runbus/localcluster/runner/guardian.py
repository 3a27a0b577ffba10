"""Kills the process groups of a local cluster that was killed itself.

Runs as a small process of its own (standard library only, no package imports). Reads lines
``+PGID START`` and ``-PGID 0`` from stdin; when that pipe ends, its parent is gone, and every
group still listed whose leader has the recorded start time is killed. Also holds the two
functions that identify a process; imported by ``processes.py``.
"""

import contextlib
import os
import pathlib
import signal
import sys

_START_FIELD = 21  # of /proc/PID/stat, counted from 0; the fields before it may hold spaces


def start_time(pid: int) -> str:
    """When a process began (ticks since boot @ boot); "" where it is gone or without /proc."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    after_name = text.rpartition(")")[2].split()
    return f"{after_name[_START_FIELD - 2]}@{_boot()}"


def _boot() -> str:
    try:
        return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def group_members(pgid: int) -> list[int]:
    """The processes of a group."""
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return []
    except PermissionError:
        return []
    pids = [int(each.name) for each in pathlib.Path("/proc").iterdir() if each.name.isdigit()]
    members = []
    for pid in pids:
        with contextlib.suppress(OSError):
            if os.getpgid(pid) == pgid:
                members.append(pid)
    return members


def _is_ours(pid: int) -> bool:
    try:
        return b"\0RUNBUS_LOCAL_ROOT=" in b"\0" + pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def kill_recorded(pgid: int, recorded: str) -> bool:
    """Kill a group recorded earlier; False where it is gone or somebody else's by now.

    The leader's start time must be the recorded one. Where the leader is gone, only members that
    carry our environment variable are killed, one by one: the id may be in use again.
    """
    now = start_time(pgid)
    if pgid <= 1 or not recorded or (now and now != recorded):
        return False
    if now:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pgid, signal.SIGKILL)
            return True
        return False
    orphans = [pid for pid in group_members(pgid) if _is_ours(pid)]
    for pid in orphans:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return bool(orphans)


def main() -> None:
    """Follow stdin to its end, then kill what is listed."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    groups: dict[int, str] = {}
    for line in sys.stdin:
        number, _, started = line[1:].strip().partition(" ")
        if line.startswith("+"):
            groups[int(number)] = started
        else:
            groups.pop(int(number), None)
    for pgid, started in groups.items():
        kill_recorded(pgid, started)


if __name__ == "__main__":
    main()
