"""What is wrong with a document, one Struct per finding: where, what, and the way out.

The same Struct carries warnings. It must not know which checks exist; it only makes sure that a
finding stays small and shows no secret.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from runbus.contracts.texts import cut

GIVEN_CHARACTERS_MAX = 200
TOKEN_CHARACTERS_MAX = 330  # a label's key has at most 317
ALLOWED_MAX = 200  # values that are listed, of an operator's or a cluster's
ALLOWED_SHOWN = 20  # of those that are too many
NOT_SHOWN = "(not shown)"


class ViolationCode(StrEnum):
    """Stable codes of findings. Codes are only ever added."""

    # the text and its shape
    INVALID_SYNTAX = "invalid_syntax"  # no YAML or JSON, or no UTF-8
    DUPLICATE_KEY = "duplicate_key"  # the same key twice in one mapping
    TOO_LARGE = "too_large"
    TOO_MANY_VIOLATIONS = "too_many_violations"  # the rest is not listed
    EMPTY = "empty"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_KEY = "unknown_key"
    NOT_AVAILABLE = "not_available"  # known, and not yet built
    NULL_VALUE = "null_value"  # null where leaving it out was meant
    REQUIRED = "required"
    # single values
    INVALID_NAME = "invalid_name"
    INVALID_VALUE = "invalid_value"
    INVALID_DURATION = "invalid_duration"
    INVALID_QUANTITY = "invalid_quantity"
    INVALID_LABEL = "invalid_label"
    INVALID_PATH = "invalid_path"
    OUT_OF_RANGE = "out_of_range"
    RESERVED = "reserved"  # runbus sets it itself
    NOT_ALLOWED = "not_allowed"  # the operator's list has no such entry
    NOT_FOUND = "not_found"  # a function or a source that the catalogue does not have
    # several values together
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    NO_SOURCE = "no_source"
    SEVERAL_SOURCES = "several_sources"
    REQUEST_ABOVE_LIMIT = "request_above_limit"
    PROJECT_MISMATCH = "project_mismatch"
    CAP_EXCEEDED = "cap_exceeded"  # more than an administrator allows
    # the request, not the document
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    INVALID_IDEMPOTENCY_KEY = "invalid_idempotency_key"
    # warnings
    NOT_CHECKED = "not_checked"  # what it would be checked against is not at hand
    LEFT_OUT = "left_out"  # an inherited value that gave way to the run's own
    LITERAL_SECRET = "literal_secret"  # noqa: S105 -- a code; the value looks like a credential
    NOT_MAPPED = "not_mapped"  # a part of a function.yaml that has no meaning here


class Violation(Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong with a document, or worth a warning."""

    path: Annotated[
        str, Meta(description="JSON pointer into the document as given; `/` is the whole of it")
    ]
    code: Annotated[
        str,
        Meta(
            description="a stable code; newer releases may add some",
            examples=[each.value for each in ViolationCode],
        ),
    ]
    given: Annotated[
        Any, Meta(description="what was given, shortened to 200 characters; never a secret")
    ] = None
    allowed: Annotated[
        str | list[str] | None, Meta(description="what is allowed: in words, or all values")
    ] = None
    hint: Annotated[str | None, Meta(description="the way out, for people")] = None


def pointer(path: str, token: object) -> str:
    """Return the JSON pointer (RFC 6901) one step below `path`; `/` and `` are the root.

    A key that is longer than any right one is cut, so that a finding stays small.
    """
    is_plain = type(token) is str and len(token) <= TOKEN_CHARACTERS_MAX and token.isascii()
    text = token if is_plain else printable(_token_text(token))
    assert isinstance(text, str)
    if "~" in text or "/" in text:
        text = text.replace("~", "~0").replace("/", "~1")
    return f"{'' if path == '/' else path}/{text}"


def _token_text(token: object) -> str:
    if isinstance(token, int) and token.bit_length() > 63:
        return "a very large whole number"
    return cut(str(token), TOKEN_CHARACTERS_MAX)


def shortened(given: object) -> object:
    """Return what may stand in `given`: a scalar as it is if it is short, else text about it.

    Mappings and lists are described, not shown: a misplaced secret could stand anywhere in them.
    """
    match given:
        case None | bool():
            return given
        case int() | float():
            return _short_number(given)
        case str():
            return _short(printable(given))
        case dict():
            keys = ", ".join(printable(str(key))[:40] for key in list(given)[:8])
            more = ", …" if len(given) > 8 else ""
            return _short(f"a mapping ({keys}{more})" if given else "an empty mapping")
        case list() | tuple():
            return f"a list of {len(given)}" if given else "an empty list"
        case _:
            return _short(f"a Python {type(given).__name__}")


def printable(text: str) -> str:
    """Return text that can be encoded as UTF-8: half surrogate pairs become `?`."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def is_credential_name(name: object) -> bool:
    """Say whether a variable of this name probably holds a secret, so that it is not echoed."""
    return isinstance(name, str) and _CREDENTIAL.search(name[:300]) is not None


_CREDENTIAL = re.compile(
    r"secret|token|passw|passphrase|pwd|credential|auth|bearer|cookie|signature"
    r"|(?:api|access|private|account|license|encryption|ssh|aws)[_\-.]?key|[_\-.]key$"
    r"|connection[_\-.]?string|conn[_\-.]?str|dsn$|(?:^|[_\-.])(?:pat|pass|pin|sas)(?:$|[_\-.])",
    re.IGNORECASE,
)


def _short(text: str) -> str:
    return cut(text, GIVEN_CHARACTERS_MAX)


def _short_number(given: float) -> object:
    """Return a number as it is where JSON and every reader can hold it, else as text."""
    if isinstance(given, float):
        return given if given == given and abs(given) != float("inf") else str(given)
    if given.bit_length() <= 63:
        return given
    return "a very large whole number"


def within_size(found: Sequence[Violation], bytes_max: int) -> tuple[Violation, ...]:
    """Return as many findings as fit, each cut where it is long; the last says how many are left.

    Args:
        found: at least the first is kept, whatever its size.
        bytes_max: of the findings together, as JSON.

    """
    kept: list[Violation] = []
    size = 0
    for each in found:
        short = _small(each)
        size += len(msgspec.json.encode(short)) + 1
        if kept and size > bytes_max:
            left = len(found) - len(kept)
            hint = f"{left} more do not fit: mend these, the rest comes after"
            kept.append(Violation("/", ViolationCode.TOO_MANY_VIOLATIONS.value, hint=hint))
            break
        kept.append(short)
    return tuple(kept)


def _small(violation: Violation) -> Violation:
    """Return a finding whose every part is short; a place is as long as its document made it."""
    return Violation(
        path=violation.path,
        code=violation.code,
        given=shortened(violation.given),
        allowed=_short_allowed(violation.allowed),
        hint=cut(violation.hint) if violation.hint is not None else None,
    )


def _short_allowed(allowed: str | list[str] | None) -> str | list[str] | None:
    """Return all values where they are not too many, else the first of them in words."""
    if not isinstance(allowed, list):
        return cut(allowed) if allowed is not None else None
    if len(allowed) <= ALLOWED_MAX:
        return [_short(each) for each in allowed]
    first = ", ".join(_short(each) for each in allowed[:ALLOWED_SHOWN])
    return f"{first} and {len(allowed) - ALLOWED_SHOWN} more"


def with_hidden_value(violation: Violation) -> Violation:
    """Return the finding without what was given."""
    return msgspec.structs.replace(violation, given=NOT_SHOWN)
