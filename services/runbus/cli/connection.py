"""Which bus and which cluster a command talks to.

In this order: the argument, the environment (RUNBUS_NATS_URL, RUNBUS_KUBECONFIG), what `runbus up`
wrote for this user, and for the bus nats://127.0.0.1:4222. `up` leaves one small file behind,
readable by this user only, because the bus's token stands in it. Must not know runs.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from runbus.cli.exits import Exit
from runbus.cli.problems import CliError
from runbus.sdk import addresses
from runbus.sdk.addresses import (
    CONTEXT_FILE,
    Context,
    StackGoneError,
    Target,
    is_alive,
    read_context,
    state_dir,
)

if TYPE_CHECKING:
    from runbus.sdk.client import Client

__all__ = [
    "Context",
    "choose_kubeconfig",
    "choose_target",
    "connected",
    "forget_context",
    "is_alive",
    "read_context",
    "state_dir",
    "user",
    "without_secrets",
    "write_context",
]

_USERINFO = re.compile(r"//[^@/,]*@")


def write_context(context: Context, environment: Mapping[str, str]) -> Path:
    """Tell the other commands of this user where the bus is; returns the file."""
    path = state_dir(environment) / CONTEXT_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{context.pid}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(context))
    new.replace(path)
    return path


def forget_context(pid: int, environment: Mapping[str, str], before: Context | None = None) -> None:
    """Remove the file, unless another `runbus up` has replaced it since.

    Args:
        pid: whose file it must be.
        environment: of the process.
        before: what stood there before; put back if that `runbus up` still lives.

    """
    context = read_context(environment)
    if context is None or context.pid != pid:
        return
    if before is not None and before.pid != pid and is_alive(before.pid):
        write_context(before, environment)
        return
    with contextlib.suppress(OSError):
        (state_dir(environment) / CONTEXT_FILE).unlink()


def choose_target(argument: str | None, environment: Mapping[str, str]) -> Target:
    """Return the bus to talk to.

    Raises:
        CliError: the only candidate is a `runbus up` that is gone.

    """
    if argument:
        return Target(nats_url=argument, source="--nats-url")
    try:
        return addresses.choose_target(None, environment)
    except StackGoneError as error:
        raise CliError(
            f"the `runbus up` of this user (process {error.pid}) is gone",
            why="it was killed before it could say goodbye; its bus went with it",
            way_out="start `runbus up` again, or give --nats-url URL",
            code=Exit.UNREACHABLE,
        ) from error


def choose_kubeconfig(argument: str | None, environment: Mapping[str, str]) -> str | None:
    """Return the path of a kubeconfig that somebody named; None: Kubernetes' own default."""
    if argument:
        return argument
    if environment.get("RUNBUS_KUBECONFIG"):
        return environment["RUNBUS_KUBECONFIG"]
    context = read_context(environment)
    if context is not None and context.kubeconfig and is_alive(context.pid):
        return context.kubeconfig
    return None


def without_secrets(url: str) -> str:
    """Return an address without what stands before its @."""
    return _USERINFO.sub("//", url)


class _Notices:
    """Tells of a connection that is lost and regained while a command goes on."""

    def __init__(self) -> None:
        self.are_wanted = False
        self._is_lost = False

    def __call__(self, kind: str, text: str) -> None:
        from runbus.cli.output.printing import say

        if kind == "refused":
            say(f"note: the bus refuses {text} to this identity")
        if self.are_wanted and kind == "disconnected" and not self._is_lost:
            self._is_lost = True
            say("note: the bus is gone; waiting for it to come back")
        elif self.are_wanted and kind == "reconnected" and self._is_lost:
            self._is_lost = False
            say("note: the bus is back")


@contextlib.asynccontextmanager
async def connected(nats_url: str | None) -> AsyncIterator[Client]:
    """Connect to the bus for the length of a block, as whom the environment says.

    Raises:
        CliError: it cannot be reached, with the ways out.

    """
    from runbus.sdk import client
    from runbus.sdk.credentials import CredentialsError, credentials_from
    from runbus.sdk.errors import BusUnreachableError

    target = choose_target(nats_url, os.environ)
    notices = _Notices()
    try:
        identity = credentials_from(os.environ)
    except CredentialsError as error:
        raise CliError(str(error), code=Exit.USAGE) from error
    async with contextlib.AsyncExitStack() as stack:
        try:
            opened = await stack.enter_async_context(
                client.connect(
                    target.nats_url, name="runbus-cli", identity=user(), notice=notices, **identity
                )
            )
        except BusUnreachableError as error:
            reason = without_secrets(str(error.__cause__ or error))
            raise CliError(
                f"cannot reach the bus at {without_secrets(target.nats_url)}"
                f" (from {target.source})",
                why=reason,
                way_out="start `runbus up` in another terminal, or give --nats-url URL",
                code=Exit.UNREACHABLE,
            ) from error
        notices.are_wanted = True
        try:
            yield opened
        finally:
            notices.are_wanted = False


def user() -> str:
    """Return who asks: the user of this machine."""
    return addresses.user_of_this_machine() or "the command line"
