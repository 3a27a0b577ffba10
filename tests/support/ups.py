"""A `runbus up` as a newcomer starts it, for tests of the commands that find it by themselves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from runbus.cli.connection import read_context
from support.commands import Command

T = TypeVar("T")

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0

HELLO = """
project: nlp
name: {name}
kind: job
image: {image}
command: python
args: [-c, "import time; print('hello', flush=True); time.sleep({seconds}); print('bye')"]
state_thresholds: {{image_pull_backoff: 2s, running: 60s}}
"""


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Wait for something that other processes do; says whether it came."""
    give_up_at = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.05)
    return True


class Up:
    """A `runbus up` of its own, in a folder of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.ready_file = folder / "ready.json"
        self.environment = {"RUNBUS_STATE_DIR": str(folder / "state")}
        inherited = {key: text for key, text in os.environ.items() if not key.startswith("RUNBUS_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runbus.cli", "up", "--ready-file", self.ready_file, *arguments],
            env={**inherited, **self.environment, "TMPDIR": str(folder)},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert wait_until(
            lambda: self.ready_file.exists() or self.process.poll() is not None, START_TIMEOUT_S
        )
        assert self.process.poll() is None, self.process.communicate()[1]
        self.command = Command(self.environment)

    @property
    def ready(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ready_file.read_bytes())
        return found

    def pids(self) -> list[int]:
        return [each["pid"] for each in self.ready["processes"].values()]

    @property
    def nats_url(self) -> str:
        """The bus's address, with its token."""
        context = read_context(self.environment)
        assert context is not None
        return context.nats_url

    @staticmethod
    async def until(
        ask: Callable[[], Awaitable[T]], is_there: Callable[[T], bool], timeout_s: float = 60.0
    ) -> T:
        """Ask again and again until the answer is as wanted; returns it."""
        async with asyncio.timeout(timeout_s):
            while not is_there(found := await ask()):
                await asyncio.sleep(0.1)
        return found

    def stop(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """End it; returns its exit code and what it said."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=STOP_TIMEOUT_S)
        return self.process.returncode, said


def a_document(name: str, *, seconds: float = 0.5, image: str = "python:3.12") -> str:
    return HELLO.format(name=name, seconds=seconds, image=image)


def is_there(pid: int) -> bool:
    """Say whether a process exists and is not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def processes_of(folder: Path) -> list[Path]:
    """Return the processes that have a folder on their command line."""
    return [path for path in Path("/proc").glob("[0-9]*") if _names(path, folder)]


def _names(process: Path, folder: Path) -> bool:
    try:
        return str(folder).encode() in (process / "cmdline").read_bytes()
    except OSError:
        return False
