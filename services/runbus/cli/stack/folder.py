"""The folder of a stack belongs to one stack at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runbus.cli.stack.process import StackError

LOCK_FILE = "up.lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a folder for this process, for the length of a block; it is made if needed.

    Raises:
        StackError: another process has it.

    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            text = f"{folder} is in use by another `runbus up`: stop it, or give another folder"
            raise StackError(text) from error
        yield
    finally:
        os.close(descriptor)
