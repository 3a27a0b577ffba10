"""Checks of single values in a document: texts, numbers, words of a list, durations, quantities.

A check takes the value, its place and the findings, and answers with the cleaned value, or with
`BAD` after it has added why. It must not know entries or documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final

from msgspec import UNSET, UnsetType

from runbus.contracts.document_findings import (
    TEXT,
    TRUE_OR_FALSE,
    WHOLE_NUMBER,
    Findings,
    did_you_mean,
)
from runbus.contracts.grammars import Grammar
from runbus.contracts.names import problem_of
from runbus.contracts.violations import ViolationCode

BAD: Final = UNSET
# A cleaned value, or BAD where it was refused.
Check = Callable[[Any, str, Findings], Any]

_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**63 - 1
_QUANTITY_BITS_MAX = 200  # of a whole number, far more than any cluster has


def is_bad(value: object) -> bool:
    """Say whether a check has refused a value."""
    return isinstance(value, UnsetType)


def plain_text(given: Any, path: str, findings: Findings) -> Any:
    """Check text without any grammar: only what no program and no message could take."""
    if not isinstance(given, str):
        findings.wrong_type(path, given, "text in quotes")
        return BAD
    if "\x00" in given:
        findings.add(path, ViolationCode.INVALID_VALUE, hint="take the NUL character out")
        return BAD
    if not given.isascii() and not is_encodable(given):
        findings.add(path, ViolationCode.INVALID_VALUE, hint="half a surrogate pair is no text")
        return BAD
    return given


def is_encodable(text: str) -> bool:
    """Say whether text can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def text_check(grammar: Grammar) -> Check:
    """Return the check of a text with a grammar."""

    def check(given: Any, path: str, findings: Findings) -> Any:
        text = plain_text(given, path, findings)
        if text is BAD:
            return BAD
        problem = problem_of(grammar, text)
        if problem is None:
            return text
        findings.add(path, problem.code, given, allowed=problem.allowed, hint=problem.hint)
        return BAD

    return check


def duration_check(grammar: Grammar) -> Check:
    """Return the check of a duration, which is text: a bare number has no unit."""
    check_text = text_check(grammar)

    def check(given: Any, path: str, findings: Findings) -> Any:
        if isinstance(given, int | float) and not isinstance(given, bool):
            may_be_infinite = given == -1 and grammar is Grammar.DURATION_OR_INFINITE
            hint = 'quote it: "-1"' if may_be_infinite else "quote it, with a unit: '30s' or '2h'"
            findings.wrong_type(path, given, "a duration in quotes", hint)
            return BAD
        return check_text(given, path, findings)

    return check


def quantity(given: Any, path: str, findings: Findings) -> Any:
    """Check a quantity; a number, like `cpu: 4`, is taken as its text."""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        allowed = "a quantity of Kubernetes, like 500m, 4, 1Gi or 1.5G"
        findings.wrong_type(path, given, allowed, "write a number, or text with a suffix")
        return BAD
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    if isinstance(given, int) and given.bit_length() > _QUANTITY_BITS_MAX:
        findings.add(path, ViolationCode.INVALID_QUANTITY, given, hint="far too large")
        return BAD
    return _quantity_text(str(given), path, findings)


_quantity_text = text_check(Grammar.QUANTITY)


def enum_check(cls: type[Enum], hints: Mapping[str, str] | None = None) -> Check:
    """Return the check of a word out of a list; `unknown` is for readers, and never asked for."""
    members = [str(each.value) for each in cls if each.name != "UNKNOWN"]
    return word_check(members, hints)


def word_check(words: Sequence[str], hints: Mapping[str, str] | None = None) -> Check:
    """Return the check of a word out of a list; some others have a hint of their own."""
    allowed = list(words)

    def check(given: Any, path: str, findings: Findings) -> Any:
        if not isinstance(given, str):
            findings.wrong_type(path, given, f"{TEXT}: one of {', '.join(allowed)}")
            return BAD
        if given in allowed:
            return given
        hint = (hints or {}).get(given.lower()) or did_you_mean(given, allowed)
        findings.add(path, ViolationCode.INVALID_VALUE, given, allowed=allowed, hint=hint)
        return BAD

    return check


def integer_check(least: int | None, most: int | None) -> Check:
    """Return the check of a whole number between two bounds, both included."""
    low = _INTEGER_MIN if least is None else least
    high = _INTEGER_MAX if most is None else most

    def check(given: Any, path: str, findings: Findings) -> Any:
        if not isinstance(given, int) or isinstance(given, bool):
            findings.wrong_type(path, given, WHOLE_NUMBER)
            return BAD
        if low <= given <= high:
            return given
        findings.add(path, ViolationCode.OUT_OF_RANGE, given, allowed=f"{low} to {high}")
        return BAD

    return check


def boolean(given: Any, path: str, findings: Findings) -> Any:
    """Check true or false."""
    if isinstance(given, bool):
        return given
    findings.wrong_type(path, given, TRUE_OR_FALSE)
    return BAD
