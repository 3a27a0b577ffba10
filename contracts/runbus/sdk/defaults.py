"""The operator's defaults on the bus: one text, its revisions, and who stored each.

The bucket `defaults` has one key; its content is a whole defaults file. Written as raw messages
with compare-and-set, because the client library's key-value `get` and `create` do not see the
marker that a removed key leaves. Must not know what a defaults file means: check before storing.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import unquote

from msgspec import Struct

from runbus.contracts import envelope
from runbus.contracts.streams import DEFAULTS_BUCKET, DEFAULTS_KEY
from runbus.sdk.bus import EXPECTED_SEQUENCE, Bus, StoredMessage
from runbus.sdk.deliveries import until_caught_up
from runbus.sdk.errors import WrongSequenceError
from runbus.sdk.follow import follow

DEFAULTS_STREAM = f"KV_{DEFAULTS_BUCKET}"
DEFAULTS_SUBJECT = f"$KV.{DEFAULTS_BUCKET}.{DEFAULTS_KEY}"

_OPERATION = "KV-Operation"
_REMOVALS = frozenset({"DEL", "PURGE"})


class DefaultsRevision(Struct, frozen=True, kw_only=True):
    """One revision of the defaults. `content` is None where they were taken away."""

    revision: int
    content: bytes | None
    author: str = ""
    stored_at: datetime | None = None


class DefaultsMovedError(Exception):
    """Somebody else has stored other defaults since; nothing was stored."""


def revision_of(message: StoredMessage) -> DefaultsRevision:
    """Return what a message of the bucket says."""
    is_removal = message.headers.get(_OPERATION) in _REMOVALS
    return DefaultsRevision(
        revision=message.sequence,
        content=None if is_removal else message.data,
        author=unquote(envelope.header(message.headers, envelope.AUTHOR) or ""),
        stored_at=message.stored_at,
    )


async def newest_defaults(bus: Bus) -> DefaultsRevision | None:
    """Return the newest revision, from the bucket's leader; None where nothing was ever stored."""
    found = await bus.last_message(DEFAULTS_STREAM, DEFAULTS_SUBJECT)
    return revision_of(found) if found is not None else None


async def kept_defaults(bus: Bus) -> list[DefaultsRevision]:
    """Return the revisions that the bucket keeps, oldest first."""
    await bus.api(f"STREAM.INFO.{DEFAULTS_STREAM}")  # a bus without it would be waited for
    async with follow(bus, DEFAULTS_STREAM, [DEFAULTS_SUBJECT]) as follower:
        return [revision_of(each) async for each in until_caught_up(follower)]


async def store_defaults(bus: Bus, content: bytes, *, author: str, after: int) -> int:
    """Store a defaults file that was checked, and return its revision.

    Args:
        bus: the connection.
        content: the file, as written.
        author: who stores it.
        after: the newest revision that the author knows; 0: there is none.

    Raises:
        DefaultsMovedError: it is not the newest.

    """
    headers = {
        EXPECTED_SEQUENCE: str(after),
        envelope.AUTHOR: envelope.encode_attribute(author),
    }
    try:
        return await bus.publish(DEFAULTS_SUBJECT, content, headers)
    except WrongSequenceError as error:
        message = f"revision {after} of the defaults is not the newest any more"
        raise DefaultsMovedError(message) from error
