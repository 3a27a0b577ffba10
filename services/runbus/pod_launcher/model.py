"""PURE: what the pod-launcher decides."""

from __future__ import annotations

from msgspec import Struct


class Create(Struct, frozen=True):
    """Create the objects of the attempt."""


class Drop(Struct, frozen=True):
    """Do nothing: the message is about something that is over. `why` is the log's outcome."""

    why: str


class Refuse(Struct, frozen=True):
    """End the attempt without creating anything. `message` says why, and the way out."""

    message: str


Decision = Create | Drop | Refuse
