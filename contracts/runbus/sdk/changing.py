"""A change of a deadline on its way: checked before it is sent, recognised when it is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from msgspec.structs import replace

from runbus.contracts.commands import ChangeDeadline
from runbus.contracts.deadline_changes import DeadlineRefusal, change_deadline
from runbus.contracts.events import RunDeadlineChanged
from runbus.contracts.states import EventType
from runbus.contracts.status import RunStatus
from runbus.sdk.runs import EventRecord


class DeadlineRefusedError(Exception):
    """A change of a deadline that cannot be made; says why, and the way out."""


def checked(
    status: RunStatus, command: ChangeDeadline, *, identity: str, now: datetime
) -> ChangeDeadline:
    """Return the command with its author, if it can be carried out as the run stands.

    Raises:
        DeadlineRefusedError: it cannot.

    """
    found = change_deadline(status, command, now)
    if isinstance(found, DeadlineRefusal):
        raise DeadlineRefusedError(found.why)
    return command if command.by else replace(command, by=identity)


async def confirmed(events: AsyncIterator[EventRecord], sequence: int) -> RunStatus:
    """Return the status that carries a change out.

    Args:
        events: the run's, from before the command was sent, to its final one.
        sequence: the command's, in RUNBUS_COMMANDS.

    Raises:
        DeadlineRefusedError: the run ended first.

    """
    async for event in events:
        if event.event_type != EventType.DEADLINE_CHANGED.value:
            continue
        found = event.decoded()
        if isinstance(found, RunDeadlineChanged) and found.command == sequence:
            return found.status
    message = "the run ended before its deadline could be changed"
    raise DeadlineRefusedError(message)
