"""PURE: what the aborter decides."""

from __future__ import annotations

from msgspec import Struct

from runbus.contracts.status import RunStatus


class Store(Struct, frozen=True):
    """Store `aborting` with this status, then delete."""

    status: RunStatus


class Drop(Struct, frozen=True):
    """Do nothing; `why` is the log's outcome."""

    why: str


Verdict = Store | Drop


class DeleteOrder(Struct, frozen=True, kw_only=True):
    """One delete with its preconditions. `grace_s` None leaves the pod its own grace."""

    namespace: str
    name: str
    uid: str
    resource_version: str | None = None
    grace_s: int | None = None
