"""Looks at processes of this machine, for tests. Knows no pytest."""

import pathlib

from support.cluster import until


def lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


async def wait_dead(pid: int, limit_s: float = 10.0) -> None:
    """Wait until a process is gone; TimeoutError where it stays."""

    async def dead() -> bool:
        return not lives(pid)

    await until(dead, limit_s)
