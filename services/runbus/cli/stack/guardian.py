"""Ends the processes of a stack whose starter was killed. Run as a script; standard library only.

The starter holds the other end of this process's stdin and writes a line for each thing it owns:

    + <pid>      a process that leads its own group
    - <pid>      it has ended
    folder <path>  a temporary folder
    done         everything was ended in order: nothing is left to do

When the pipe closes without `done`, the starter is dead: each group gets SIGTERM, a moment later
SIGKILL, and the folder is removed. It listens to no signal that a terminal sends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable

GRACE_S = 4.0
POLL_S = 0.05


def main(lines: Iterable[str]) -> None:
    """Follow the starter's lines to their end, and clean up after it if it did not."""
    pids: list[int] = []
    folders: list[str] = []
    for line in lines:
        word, _, rest = line.strip().partition(" ")
        match word:
            case "+":
                pids.append(int(rest))
            case "-":
                pids.remove(int(rest))
            case "folder":
                folders.append(rest)
            case "done":
                return
    end_groups(pids)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def end_groups(pids: list[int]) -> None:
    """End process groups, gently first."""
    _send(pids, signal.SIGTERM)
    give_up_at = time.monotonic() + GRACE_S
    while time.monotonic() < give_up_at and any(_is_there(pid) for pid in pids):
        time.sleep(POLL_S)
    _send(pids, signal.SIGKILL)


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)


def _is_there(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(ignored, signal.SIG_IGN)
    main(sys.stdin)
