"""The runs in memory: those touched lately as they are, all others packed.

A hundred thousand runs are held for days, and looked at a few times each. As objects one takes
4 KiB, packed a quarter of that (ADR-0024). It must not know what a run is about.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from runbus.state_watcher.tracking import Tracked

UNPACKED_MAX = 2000

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Tracked).decode


def packed(tracked: Tracked) -> bytes:
    """Return a run in as few bytes as it takes."""
    return _encode(tracked)


def unpacked(data: bytes) -> Tracked:
    """Return the run that was packed, equal to what it was."""
    return _decode(data)


class Runs:
    """Runs by key.

    What `get` and `add` return may be changed until something is awaited; across that, only within
    `in_hand`, which keeps a run from being packed under somebody's hands.
    """

    def __init__(self, unpacked_max: int = UNPACKED_MAX) -> None:
        self._unpacked_max = unpacked_max
        self._lately: OrderedDict[str, Tracked] = OrderedDict()  # longest ago first
        self._packed: dict[str, bytes] = {}
        self._in_hand: set[str] = set()

    def __len__(self) -> int:
        """Return how many runs are held."""
        return len(self._lately) + len(self._packed)

    def __contains__(self, key: str) -> bool:
        return key in self._lately or key in self._packed

    def __iter__(self) -> Iterator[str]:
        """Return every key. Runs may be added, removed and packed meanwhile."""
        yield from [*self._lately, *self._packed]

    def get(self, key: str) -> Tracked | None:
        """Return a run, to be looked at or changed; None where it is not held."""
        tracked = self._lately.get(key)
        if tracked is not None:
            self._lately.move_to_end(key)
            return tracked
        data = self._packed.pop(key, None)
        if data is None:
            return None
        tracked = unpacked(data)
        self._put(key, tracked)
        return tracked

    def add(self, key: str) -> Tracked:
        """Begin to hold a run; return the one that is held already, if it is."""
        tracked = self.get(key)
        if tracked is None:
            tracked = Tracked()
            self._put(key, tracked)
        return tracked

    def remove(self, key: str) -> None:
        """Hold a run no longer."""
        self._lately.pop(key, None)
        self._packed.pop(key, None)

    @contextmanager
    def in_hand(self, key: str) -> Iterator[None]:
        """Keep a run as it is for the length of a block; one block for each key at a time."""
        self._in_hand.add(key)
        try:
            yield
        finally:
            self._in_hand.discard(key)

    def _put(self, key: str, tracked: Tracked) -> None:
        self._lately[key] = tracked
        if len(self._lately) <= self._unpacked_max + len(self._in_hand):
            return
        oldest = next(each for each in self._lately if each not in self._in_hand)
        self._packed[oldest] = packed(self._lately.pop(oldest))
