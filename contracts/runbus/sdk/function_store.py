"""The function catalogue on the bus: one key for each name and tag, with its revisions.

Written as raw messages with compare-and-set, like the defaults. Must not know what a function
means: check before storing.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import unquote

from msgspec import Struct

from runbus.contracts import envelope
from runbus.contracts.streams import FUNCTIONS_BUCKET
from runbus.sdk.bus import EXPECTED_SEQUENCE, Bus, StoredMessage
from runbus.sdk.deliveries import until_caught_up
from runbus.sdk.errors import WrongSequenceError
from runbus.sdk.follow import follow

FUNCTIONS_STREAM = f"KV_{FUNCTIONS_BUCKET}"

_PREFIX = f"$KV.{FUNCTIONS_BUCKET}."
_DOT = "=2E"  # a dot would be a border between the parts of a subject
_OPERATION = "KV-Operation"


class StoredFunction(Struct, frozen=True, kw_only=True):
    """A revision of a function on the bus."""

    name: str
    tag: str
    revision: int
    content: bytes
    author: str = ""
    stored_at: datetime | None = None


class FunctionMovedError(Exception):
    """Somebody else has stored the same function since; nothing was stored."""


def function_subject(name: str, tag: str) -> str:
    """Return the subject of a function's key."""
    return f"{_PREFIX}{name.replace('.', _DOT)}/{tag.replace('.', _DOT)}"


async def newest_function(bus: Bus, name: str, tag: str) -> StoredFunction | None:
    """Return a function, from the bucket's leader; None where there is none."""
    found = await bus.last_message(FUNCTIONS_STREAM, function_subject(name, tag))
    return _stored(found) if found is not None else None


async def kept_functions(bus: Bus, name: str, tag: str) -> list[StoredFunction]:
    """Return the revisions of a function that the bus keeps, oldest first; removals are none."""
    await bus.api(f"STREAM.INFO.{FUNCTIONS_STREAM}")  # a bus without it would be waited for
    async with follow(bus, FUNCTIONS_STREAM, [function_subject(name, tag)]) as follower:
        found = [_stored(each) async for each in until_caught_up(follower)]
    return [each for each in found if each is not None]


async def all_functions(bus: Bus) -> list[StoredFunction]:
    """Return the newest revision of every function, by name and tag."""
    await bus.api(f"STREAM.INFO.{FUNCTIONS_STREAM}")  # a bus without it would be waited for
    newest: dict[str, StoredFunction | None] = {}
    async with follow(bus, FUNCTIONS_STREAM, [f"{_PREFIX}>"]) as follower:
        async for each in until_caught_up(follower):
            newest[each.subject] = _stored(each)
    found = [each for each in newest.values() if each is not None]
    return sorted(found, key=lambda each: (each.name, each.tag))


async def store_function(
    bus: Bus, name: str, tag: str, content: bytes, *, author: str, after: int
) -> int:
    """Store a function that was checked, and return its revision.

    Raises:
        FunctionMovedError: `after` is not its newest revision (0: there is none).

    """
    headers = {EXPECTED_SEQUENCE: str(after), envelope.AUTHOR: envelope.encode_attribute(author)}
    try:
        return await bus.publish(function_subject(name, tag), content, headers)
    except WrongSequenceError as error:
        text = f"somebody else has stored {name}:{tag} meanwhile"
        raise FunctionMovedError(text) from error


def _stored(message: StoredMessage) -> StoredFunction | None:
    if _OPERATION in message.headers:  # a removal
        return None
    name, _, tag = message.subject.removeprefix(_PREFIX).replace(_DOT, ".").partition("/")
    return StoredFunction(
        name=name,
        tag=tag,
        revision=message.sequence,
        content=message.data,
        author=unquote(envelope.header(message.headers, envelope.AUTHOR) or ""),
        stored_at=message.stored_at,
    )
