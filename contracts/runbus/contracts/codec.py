"""Bodies to Structs and back. The type is peeked at first: unknown types are not errors.

An event type of a newer release is skipped by an older reader (`UnknownTypeError`), while a body
that does not fit a type we know is broken (`BrokenMessageError`).
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from runbus.contracts.events import EVENT_STRUCTS, RunEvent
from runbus.contracts.states import EventType
from runbus.contracts.status import RunStatus

T = TypeVar("T")

_ENCODER = msgspec.json.Encoder()
_EVENT_DECODERS = {
    event_type: msgspec.json.Decoder(struct) for event_type, struct in EVENT_STRUCTS.items()
}


class _StatusOnly(msgspec.Struct, frozen=True):
    status: RunStatus


_STATUS_DECODER = msgspec.json.Decoder(_StatusOnly)


class UnknownTypeError(ValueError):
    """An event type that this release does not know: skip it."""


class BrokenMessageError(ValueError):
    """A body that does not fit its type."""


def encode(message: msgspec.Struct) -> bytes:
    """Return the JSON body of a Struct."""
    return _ENCODER.encode(message)


def event_type_of(token: str) -> EventType:
    """Return the event type that a subject's last token names.

    Raises:
        UnknownTypeError: a newer release's type.

    """
    try:
        return EventType(token)
    except ValueError as error:
        message = f"event type {token!r} is not known to this release"
        raise UnknownTypeError(message) from error


def decode_event(event_type: EventType, body: bytes) -> RunEvent:
    """Return an event from its body.

    Raises:
        BrokenMessageError: the body does not fit the type; the place is named.

    """
    try:
        return _EVENT_DECODERS[event_type].decode(body)
    except msgspec.MsgspecError as error:
        message = f"a {event_type.value} event that cannot be read: {error}"
        raise BrokenMessageError(message) from error


def decode_status(body: bytes) -> RunStatus:
    """Return the folded status of an event of any type, known or not.

    Raises:
        BrokenMessageError: there is no status in it.

    """
    try:
        return _STATUS_DECODER.decode(body).status
    except msgspec.MsgspecError as error:
        message = f"an event without a readable status: {error}"
        raise BrokenMessageError(message) from error


def decode(struct: type[T], body: bytes) -> T:
    """Return a command, reply or evidence from its body; an empty body is an empty mapping.

    Raises:
        BrokenMessageError: the body does not fit; the place is named.

    """
    try:
        return msgspec.json.decode(body or b"{}", type=struct)
    except msgspec.MsgspecError as error:
        message = f"{struct.__name__}: {error}"
        raise BrokenMessageError(message) from error
