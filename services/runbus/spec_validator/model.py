"""PURE: what the spec-validator decides."""

from __future__ import annotations

from msgspec import Struct

from runbus.contracts.events import RunAccepted, RunRejected


class Request(Struct, frozen=True, kw_only=True):
    """A submit as it came in. `project` is the subject's, `user` the client's identity."""

    project: str
    body: bytes
    key: str | None = None
    user: str = ""
    traceparent: str | None = None


class Accept(Struct, frozen=True):
    """Store the run as accepted."""

    event: RunAccepted


class Reject(Struct, frozen=True):
    """Store the run as rejected."""

    event: RunRejected


Verdict = Accept | Reject
