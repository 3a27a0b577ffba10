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
    """When a process began, in ticks since boot; "" where it is gone or there is no /proc."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    after_name = text.rpartition(")")[2].split()
    return after_name[_START_FIELD - 2]


def group_members(pgid: int) -> bool:
    """Whether any process is left in a group."""
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def kill_recorded(pgid: int, recorded: str) -> bool:
    """Kill a group recorded earlier; False where it is gone or somebody else's by now.

    The leader's start time must be the recorded one. Where the leader is gone, its id cannot have
    been given to another process while its group lives, so members are ours.
    """
    now = start_time(pgid)
    if now and now != recorded:
        return False
    if pgid <= 1 or not group_members(pgid):
        return False
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, signal.SIGKILL)
        return True
    return False


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
