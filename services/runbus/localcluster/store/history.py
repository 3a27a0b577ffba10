"""The events of one kind that watches read: a ring with a fixed number of places.

Watchers hold a position in it instead of a queue of their own, so that a slow one costs nothing
and is found out when the ring has moved past its position.
"""

from collections import deque
from enum import StrEnum
from typing import Any

import msgspec

JsonObject = dict[str, Any]


class EventType(StrEnum):
    """What a watch event says happened."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


class Stored(msgspec.Struct, frozen=True, eq=False):
    """One version of an object: without kind and apiVersion; ``body`` is its JSON."""

    key: tuple[str, str]
    version: int
    obj: JsonObject
    body: bytes


class WatchEvent(msgspec.Struct, frozen=True, eq=False):
    """One change; ``old`` is the version before (None when it was created)."""

    version: int
    type: EventType
    new: Stored
    old: Stored | None
    lines: dict[EventType, bytes]


class History:
    """The last ``size`` events of one kind.

    ``position`` counts all events there ever were; the oldest kept one has ``first``.
    ``forgotten``: the resourceVersion up to which events may be missing.
    """

    def __init__(self, size: int, forgotten: int) -> None:
        self._ring: deque[WatchEvent] = deque(maxlen=size)
        self.position = 0
        self.forgotten = forgotten

    @property
    def first(self) -> int:
        """Position of the oldest event that is kept."""
        return self.position - len(self._ring)

    def append(self, event: WatchEvent) -> None:
        """Add the newest event; the oldest falls out of a full ring."""
        if len(self._ring) == self._ring.maxlen:
            self.forgotten = self._ring[0].version
        self._ring.append(event)
        self.position += 1

    def forget(self) -> None:
        """Drop all events; who is not up to date must list again."""
        if self._ring:
            self.forgotten = self._ring[-1].version
        self._ring.clear()

    def after(self, version: int) -> int | None:
        """Position of the first event newer than ``version``; None where it is forgotten."""
        if version < self.forgotten:
            return None
        low, high = 0, len(self._ring)
        while low < high:
            middle = (low + high) // 2
            if self._ring[middle].version <= version:
                low = middle + 1
            else:
                high = middle
        return self.first + low

    def read(self, position: int, limit: int) -> list[WatchEvent] | None:
        """At most ``limit`` events from a position on; None where the ring has moved past it."""
        start = position - self.first
        if start < 0:
            return None
        end = min(start + limit, len(self._ring))
        return [self._ring[i] for i in range(start, end)]
