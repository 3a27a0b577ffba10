"""The runs in memory: those touched lately as they are, all others packed.

A hundred thousand runs are held for days, and looked at a few times each. As objects one takes
4 KiB, packed a quarter of that (ADR-0024). It must not know what a run is about.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from operator import attrgetter

import msgspec
from msgspec import Struct

from runbus.reading.autoscaler import AutoscalerWord
from runbus.state_watcher.model import PodSeen
from runbus.state_watcher.packing import HeldRecord, PackedRecord
from runbus.state_watcher.tracking import Tracked

# So few that what is packed next is still in the processor's cache.
UNPACKED_MAX = 32


class _Rest(Struct, gc=False, array_like=True):
    """What is held of a run beside its newest event; the fields are `Tracked`'s."""

    pods: tuple[PodSeen, ...] = ()
    launched_at: datetime | None = None
    confirmed_at: datetime | None = None
    absent_at: datetime | None = None
    foreign_uid: str = ""
    abort_asked_at: datetime | None = None
    clean_up_asked: dict[str, datetime] = {}
    evidence_asked: int = 0
    evidence_asked_deleting: int = 0
    autoscaler: AutoscalerWord | None = None


class Packed(Struct, frozen=True, gc=False):
    """A run in few bytes: its newest event in two parts, and the rest. Empty: there is none."""

    own: bytes
    alike: bytes
    rest: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Rest).decode
_beside_pods = attrgetter(*_Rest.__struct_fields__[1:])


def packed(tracked: Tracked) -> Packed:
    """Return a run in as few bytes as it takes."""
    record = tracked.newest.packed if tracked.newest is not None else _NO_RECORD
    rest = (tuple(tracked.pods.values()), *_beside_pods(tracked))
    # Nothing, not even a pod: nearly every run between the events and the pods of a start.
    return Packed(record.own, record.alike, _encode(_Rest(*rest)) if any(rest) else b"")


def unpacked(data: Packed) -> Tracked:
    """Return the run that was packed, equal to what it was. Its event stays packed until asked."""
    newest = HeldRecord(PackedRecord(data.own, data.alike)) if data.own else None
    if not data.rest:
        return Tracked(newest=newest)
    rest = _decode(data.rest)
    return Tracked(
        newest=newest,
        pods={pod.uid: pod for pod in rest.pods},
        launched_at=rest.launched_at,
        confirmed_at=rest.confirmed_at,
        absent_at=rest.absent_at,
        foreign_uid=rest.foreign_uid,
        abort_asked_at=rest.abort_asked_at,
        clean_up_asked=rest.clean_up_asked,
        evidence_asked=rest.evidence_asked,
        evidence_asked_deleting=rest.evidence_asked_deleting,
        autoscaler=rest.autoscaler,
    )


_NO_RECORD = PackedRecord(b"", b"")


class Runs:
    """Runs by key.

    What `get` and `add` return may be changed until something is awaited; across that, only within
    `in_hand`, which keeps a run from being packed under somebody's hands.
    """

    def __init__(self, unpacked_max: int = UNPACKED_MAX) -> None:
        self._unpacked_max = unpacked_max
        # A key stays the object that it was at first, which others hold, too: never taken out.
        self._held: dict[str, Tracked | Packed] = {}
        self._lately: OrderedDict[str, None] = OrderedDict()  # those unpacked, longest ago first
        self._in_hand: set[str] = set()

    def __len__(self) -> int:
        """Return how many runs are held."""
        return len(self._held)

    def __contains__(self, key: str) -> bool:
        return key in self._held

    def __iter__(self) -> Iterator[str]:
        """Return every key. Runs may be added, removed and packed meanwhile."""
        yield from list(self._held)

    def get(self, key: str) -> Tracked | None:
        """Return a run, to be looked at or changed; None where it is not held."""
        held = self._held.get(key)
        if held is None:
            return None
        if isinstance(held, Tracked):
            self._lately.move_to_end(key)
            return held
        return self._put(key, unpacked(held))

    def add(self, key: str) -> Tracked:
        """Begin to hold a run; return the one that is held already, if it is."""
        return self.get(key) or self._put(key, Tracked())

    def remove(self, key: str) -> None:
        """Hold a run no longer."""
        self._lately.pop(key, None)
        self._held.pop(key, None)

    @contextmanager
    def in_hand(self, key: str) -> Iterator[None]:
        """Keep a run as it is for the length of a block; one block for each key at a time."""
        self._in_hand.add(key)
        try:
            yield
        finally:
            self._in_hand.discard(key)

    def _put(self, key: str, tracked: Tracked) -> Tracked:
        self._held[key] = tracked
        self._lately[key] = None
        if len(self._lately) > self._unpacked_max + len(self._in_hand):
            oldest = next(each for each in self._lately if each not in self._in_hand)
            del self._lately[oldest]
            held = self._held[oldest]
            assert isinstance(held, Tracked), "those touched lately are unpacked"
            self._held[oldest] = packed(held)
        return tracked
