"""PURE: a run's newest event in few bytes: what it has for itself, and what many runs have alike.

Most of a status stands word for word in thousands of others: limits, retries, project, user, state.
That part is packed by itself and held once for all who have it; ids, moments and texts are each
run's own. An event never changes, so that it is packed once and unpacked only where somebody looks
at it (ADR-0024). It must not know how runs are held, or what becomes of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Struct

from runbus.contracts.states import RunState
from runbus.contracts.status import RunStatus
from runbus.runtime.runlog import RunRecord

# How many different parts are known at a time. One that is forgotten and comes again is held twice.
ALIKE_MAX = 4096
TRACE_CHARACTERS = 55  # of a traceparent: version, trace, span and flags
_ALIKE = (
    *("project", "namespace", "kind", "user", "state", "roles", "thresholds", "deadline_of"),
    *("retry", "ttl_after_finish_s", "priority_class", "priority_rank", "spot_labels"),
)
_OWN = tuple(name for name in RunStatus.__struct_fields__ if name not in _ALIKE)
# The id and the traceparent are made short, the other fields of a record stand as they are.
_SHORT = {"event_id", "traceparent"}
_PLAIN = tuple(n for n in RunRecord.__struct_fields__ if n not in {"status", *_SHORT})


def _types_of(struct: type[Struct], names: tuple[str, ...]) -> list[Any]:
    """Return the types of some fields of a Struct."""
    types = {field.name: field.type for field in msgspec.structs.fields(struct)}
    return [types[name] for name in names]


_encode = msgspec.msgpack.Encoder().encode
_alike_of = attrgetter(*_ALIKE)
_own_of = attrgetter(*_PLAIN, *(f"status.{name}" for name in _OWN))
# Arrays whose items are those fields in turn: names would be half of the bytes.
_ALIKE_DECODER: msgspec.msgpack.Decoder[tuple[Any, ...]] = msgspec.msgpack.Decoder(
    tuple[tuple(_types_of(RunStatus, _ALIKE))]  # type: ignore[misc]  # mypy knows literals only
)
_OWN_TYPES = [str, Any, *_types_of(RunRecord, _PLAIN), *_types_of(RunStatus, _OWN)]
_OWN_DECODER: msgspec.msgpack.Decoder[tuple[Any, ...]] = msgspec.msgpack.Decoder(
    tuple[tuple(_OWN_TYPES)]  # type: ignore[misc]
)


class PackedRecord(Struct, frozen=True, gc=False):
    """An event: its own part, and the part that is held once for all who have it."""

    own: bytes
    alike: bytes


def packed_record(record: RunRecord) -> PackedRecord:
    """Return an event in few bytes."""
    status = record.status
    event_id = _short_id(record.event_id, status.run_id, status.attempt, record.event_type)
    own = (event_id, _short_trace(record.traceparent), *_own_of(record))
    return PackedRecord(_encode(own), _held_once(_encode(_alike_of(status))))


def unpacked_record(packed: PackedRecord) -> RunRecord:
    """Return the event that was packed, equal to what it was."""
    event_id, trace, *values = _OWN_DECODER.decode(packed.own)
    plain = dict(zip(_PLAIN, values, strict=False))
    own = dict(zip(_OWN, values[len(_PLAIN) :], strict=True))
    status = RunStatus(**_unpacked_alike(packed.alike), **own)
    return RunRecord(
        event_id=_long_id(event_id, status.run_id, status.attempt, plain["event_type"]),
        traceparent=_long_trace(trace) if isinstance(trace, bytes) else trace,
        status=status,
        **plain,
    )


def _short_id(event_id: str, run_id: str, attempt: int, event_type: str) -> str:
    """Return an event's id without what its run says already; `=` marks one made otherwise."""
    prefix = f"{run_id}-{attempt}-{event_type}-"
    return event_id[len(prefix) - 1 :] if event_id.startswith(prefix) else f"={event_id}"


def _long_id(short: str, run_id: str, attempt: int, event_type: str) -> str:
    return short[1:] if short.startswith("=") else f"{run_id}-{attempt}-{event_type}{short}"


def _short_trace(text: str | None) -> bytes | str | None:
    """Return a traceparent without its hexadecimal, or whatever it is as it stands."""
    if text is None or len(text) != TRACE_CHARACTERS:
        return text
    try:
        short = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        return text
    return short if _long_trace(short) == text else text


def _long_trace(short: bytes) -> str:
    digits = short.hex()
    return f"{digits[:2]}-{digits[2:34]}-{digits[34:50]}-{digits[50:]}"


@lru_cache(maxsize=ALIKE_MAX)
def _held_once(alike: bytes) -> bytes:
    """Return the first of equal bytes."""
    return alike


@lru_cache(maxsize=ALIKE_MAX)
def _unpacked_alike(alike: bytes) -> Mapping[str, Any]:
    """Return fields of a status. What it returns is shared, as the bytes are."""
    return dict(zip(_ALIKE, _ALIKE_DECODER.decode(alike), strict=True))


class HeldRecord:
    """A run's newest event, as an object, as bytes, or both: whichever was asked for."""

    __slots__ = ("_packed", "_record")

    def __init__(self, held: RunRecord | PackedRecord) -> None:
        self._record = held if isinstance(held, RunRecord) else None
        self._packed = held if isinstance(held, PackedRecord) else None

    def __eq__(self, other: object) -> bool:
        """Compare the events."""
        return isinstance(other, HeldRecord) and self.record == other.record

    __hash__ = None  # type: ignore[assignment]  # as of every Struct that can be compared

    @property
    def record(self) -> RunRecord:
        """The event."""
        if self._record is None:
            self._record = unpacked_record(self.packed)
        return self._record

    @property
    def packed(self) -> PackedRecord:
        """The event in few bytes."""
        if self._packed is None:
            self._packed = packed_record(self.record)
        return self._packed

    @property
    def state(self) -> RunState:
        """The run's state; costs no unpacking."""
        if self._record is not None:
            return self._record.status.state
        state: RunState = _unpacked_alike(self.packed.alike)["state"]
        return state

    @property
    def namespace(self) -> str:
        """The run's namespace; costs no unpacking."""
        if self._record is not None:
            return self._record.status.namespace
        namespace: str = _unpacked_alike(self.packed.alike)["namespace"]
        return namespace
