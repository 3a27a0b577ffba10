"""Kills one part of a local cluster ("api" or "agents") and waits for its return, for tests.

Works on the cluster's folder, so also on the cluster of a whole stack. Its supervisor starts the
part again, after ``--restart-delay-s``. Knows no pytest.
"""

import json
import os
import pathlib
import signal

from runbus.cli.stack import probe
from support.cluster import until
from support.cluster_processes import wait_dead

BACK_LIMIT_S = 60.0
OK = 200


def part_pid(folder: pathlib.Path, part: str) -> int:
    """The process id of a part."""
    return int((folder / f"{part}.pid").read_text())


async def kill_part(folder: pathlib.Path, part: str) -> int:
    """SIGKILL a part, and wait until it is dead; gives the id it had."""
    pid = part_pid(folder, part)
    os.kill(pid, signal.SIGKILL)
    await wait_dead(pid)
    return pid


async def part_is_back(folder: pathlib.Path, part: str, old_pid: int) -> int:
    """Wait until a killed part runs again and the API serves; gives the part's new id."""

    async def back() -> bool:
        text = (folder / f"{part}.pid").read_text().strip()
        return bool(text) and int(text) != old_pid and await _serves(folder)

    await until(back, BACK_LIMIT_S)
    return part_pid(folder, part)


async def _serves(folder: pathlib.Path) -> bool:
    port = json.loads((folder / "server.json").read_text())["port"]
    return (await probe.get(f"http://127.0.0.1:{port}/readyz"))[0] == OK
