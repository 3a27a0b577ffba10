"""Whom a process talks to over TCP, as the kernel shows it in /proc. Linux."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

LISTENS = "0A"


def called(pid: int) -> set[int]:
    """Return the remote ports of the connections that a process has opened and has now."""
    rows = _rows(pid)
    listens = {local for local, _, state in rows if state == LISTENS}
    return {remote for local, remote, state in rows if state != LISTENS and local not in listens}


def _rows(pid: int) -> list[tuple[int, int, str]]:
    """Return local port, remote port and state of a process's own sockets."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            inodes.add(os.readlink(link))
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if f"socket:[{columns[9]}]" in inodes:
                found.append((_port(columns[1]), _port(columns[2]), columns[3]))
    return found


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
