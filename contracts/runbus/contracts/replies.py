"""What is answered or set aside: verdicts of request-reply, and dead letters."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from runbus.contracts.events import Overridden
from runbus.contracts.moments import Moment
from runbus.contracts.violations import Violation


class SubmitReply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The verdict on a submit by request-reply."""

    accepted: bool
    project: str
    run_id: str = ""
    shard: str = ""
    sequence: Annotated[int, Meta(description="of the accepted or rejected event")] = 0
    duplicate: Annotated[bool, Meta(description="the same request was accepted before")] = False
    violations: tuple[Violation, ...] = ()
    warnings: tuple[Violation, ...] = ()


class LintReply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The verdict on a document that is only looked at."""

    accepted: bool
    violations: tuple[Violation, ...] = ()
    warnings: tuple[Violation, ...] = ()


class Explained(Struct, frozen=True, kw_only=True):
    """One setting in force, its level, and what lower levels had said about it."""

    path: Annotated[str, Meta(description="JSON pointer; entries that have a name go by it")]
    value: Annotated[Any, Meta(description="null: the level has cancelled what lower ones said")]
    level: Annotated[str, Meta(description="where it comes from; empty: not known")]
    overrode: Annotated[tuple[Overridden, ...], Meta(description="the lowest level first")] = ()


class ExplainReply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every setting that a document comes to, or that a run was accepted with."""

    accepted: bool
    violations: tuple[Violation, ...] = ()
    warnings: tuple[Violation, ...] = ()
    settings: tuple[Explained, ...] = ()
    function_hash: Annotated[
        str, Meta(description="SHA-256 of the function's file in the catalogue; empty: none")
    ] = ""


class DeadLetter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message that could not be handled, with everything needed to try it again."""

    service: str
    subject: str
    reason: Annotated[str, Meta(description="what went wrong, with the type of the error")]
    stream: str = ""
    sequence: int = 0
    deliveries: int = 0
    headers: dict[str, str] = {}
    body: Annotated[bytes, Meta(description="the message's body, base64")] = b""
    body_bytes: Annotated[
        int | None, Meta(description="how long the body was, where only its beginning is kept")
    ] = None
    run_id: str = ""
    project: str = ""
    set_aside_at: Moment
