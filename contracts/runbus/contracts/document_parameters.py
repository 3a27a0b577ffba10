"""Whether parameters are JSON that a program can get in one environment variable.

Any JSON is right, as long as it is plain and not too large; mostly it is a mapping, since
arguments can name its keys. It must not know what they mean.
"""

from __future__ import annotations

from typing import Any

import msgspec

from runbus.contracts.document import PARAMETERS_BYTES_MAX
from runbus.contracts.document_findings import Findings
from runbus.contracts.document_scalars import BAD, is_encodable
from runbus.contracts.violations import ViolationCode, pointer

DEPTH_MAX = 64
# What JSON writers and readers hold as whole numbers without loss.
_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**64 - 1
_ALLOWED = "any JSON"


def parameters_check(given: Any, path: str, findings: Findings) -> Any:
    """Check parameters: every value that is no JSON, then the size of all."""
    before = len(findings.found)
    if not _is_plain(given, path, findings) or len(findings.found) > before:
        return BAD
    size = len(msgspec.json.encode(given))
    if size <= PARAMETERS_BYTES_MAX:
        return given
    allowed = f"at most {PARAMETERS_BYTES_MAX} bytes as JSON"
    hint = f"they have {size}: put large data into a file or volume, and its path here"
    findings.add(path, ViolationCode.TOO_LARGE, allowed=allowed, hint=hint)
    return BAD


def _is_plain(given: dict[Any, Any], path: str, findings: Findings) -> bool:
    """Walk through containers without recursion: any depth, and circles, may come in."""
    left: list[tuple[Any, str, int]] = [(given, path, 0)]
    while left:
        value, place, depth = left.pop()
        if not findings.may_go_on(place):
            return False
        if not isinstance(value, dict | list | tuple):
            _check_scalar(value, place, findings)
        elif depth >= DEPTH_MAX:
            hint = f"nested deeper than {DEPTH_MAX} levels"
            findings.add(path, ViolationCode.TOO_LARGE, hint=hint)
            return False
        elif isinstance(value, dict):
            _check_keys(value, place, findings)
            inner = [(each, pointer(place, key), depth + 1) for key, each in value.items()]
            left.extend(reversed(inner))
        else:
            items = [(each, f"{place}/{at}", depth + 1) for at, each in enumerate(value)]
            left.extend(reversed(items))
    return True


def _check_keys(mapping: dict[Any, Any], place: str, findings: Findings) -> None:
    for key in mapping:
        if isinstance(key, str):
            _check_text(key, pointer(place, key), findings)
        else:
            findings.wrong_type(pointer(place, key), key, "a key that is text", "quote the key")


def _check_scalar(value: Any, place: str, findings: Findings) -> None:
    match value:
        case None | bool():
            return
        case str():
            _check_text(value, place, findings)
        case int():
            if not _INTEGER_MIN <= value <= _INTEGER_MAX:
                hint = "JSON readers lose digits of a number of this size: write it as text"
                findings.add(place, ViolationCode.OUT_OF_RANGE, value, allowed=_ALLOWED, hint=hint)
        case float():
            if value - value != 0:
                hint = "JSON has no infinity and no NaN: write it as text, or null"
                findings.add(place, ViolationCode.INVALID_VALUE, value, allowed=_ALLOWED, hint=hint)
        case _:
            findings.wrong_type(place, value, _ALLOWED, "it is not JSON: write it in quotes")


def _check_text(text: str, place: str, findings: Findings) -> None:
    if not text.isascii() and not is_encodable(text):
        hint = "half a surrogate pair is no text"
        findings.add(place, ViolationCode.INVALID_VALUE, allowed=_ALLOWED, hint=hint)
