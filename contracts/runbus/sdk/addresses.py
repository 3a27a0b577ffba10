"""Where the bus is: what a program was told, its environment, or this user's `runbus up`.

`up` leaves one small file behind, readable by its user only, because the bus's token stands in it.
Must not know runs, or connect anywhere.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from runbus.sdk.errors import BusUnreachableError

DEFAULT_NATS_URL = "nats://127.0.0.1:4222"
CONTEXT_FILE = "current.json"
URL_VARIABLE = "RUNBUS_NATS_URL"
STATE_DIR_VARIABLE = "RUNBUS_STATE_DIR"


class Context(Struct, frozen=True, kw_only=True):
    """What a running `runbus up` tells programs of its user. `pid` is its own."""

    nats_url: str
    kubeconfig: str
    dir: str
    pid: int


class Target(Struct, frozen=True, kw_only=True):
    """A bus, and why that one: `source` is for error texts."""

    nats_url: str
    source: str


class StackGoneError(BusUnreachableError):
    """The only bus known is that of a `runbus up` that is gone; `pid` was its own."""

    def __init__(self, pid: int) -> None:
        super().__init__(
            f"the `runbus up` of this user (process {pid}) is gone, and its bus with it:"
            f" start it again, or name another bus in {URL_VARIABLE}"
        )
        self.pid = pid


def choose_target(argument: str | None, environment: Mapping[str, str]) -> Target:
    """Return the bus to talk to: the argument, the environment, `runbus up`, or the default.

    Raises:
        StackGoneError: the only candidate is a `runbus up` that is gone.

    """
    if argument:
        return Target(nats_url=argument, source="the argument")
    if environment.get(URL_VARIABLE):
        return Target(nats_url=environment[URL_VARIABLE], source=URL_VARIABLE)
    context = read_context(environment)
    if context is None:
        return Target(nats_url=DEFAULT_NATS_URL, source="the default")
    if not is_alive(context.pid):
        raise StackGoneError(context.pid)
    return Target(nats_url=context.nats_url, source="`runbus up`")


def read_context(environment: Mapping[str, str]) -> Context | None:
    """Return what `runbus up` wrote, if anything that can be read; it may be dead by now."""
    try:
        content = (state_dir(environment) / CONTEXT_FILE).read_bytes()
        return msgspec.json.decode(content, type=Context)
    except (OSError, msgspec.MsgspecError):
        return None


def state_dir(environment: Mapping[str, str], platform: str = sys.platform) -> Path:
    """Return the folder in which runbus keeps this user's state, as each platform has it."""
    if environment.get(STATE_DIR_VARIABLE):
        return Path(environment[STATE_DIR_VARIABLE])
    home = Path.home()
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local") / "runbus"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "runbus"
    return Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state") / "runbus"


def is_alive(pid: int) -> bool:
    """Say whether a process with that id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def user_of_this_machine() -> str:
    """Return who runs this program; empty where the user id has no name, as in containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
