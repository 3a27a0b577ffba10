"""What is wrong with a document, a violation a line and its hint below. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from runbus.contracts.violations import Violation

VALUE_CHARS_MAX = 160
# Of allowed values, where a hint says which one was meant.
LISTED_MAX = 10


def refusal(place: str, violations: Collection[Violation]) -> str:
    """Return the line above a document's violations."""
    count = len(violations)
    return f"{place} is refused, for {count} reason{'s' if count != 1 else ''}:"


def violation_lines(violations: Iterable[Violation], *, indent: str = "  ") -> list[str]:
    """Return the lines of violations: path, what is wrong, what was given, what is allowed."""
    lines: list[str] = []
    for each in violations:
        lines.append(f"{indent}{each.path}: {_code(each)}")
        if each.allowed and not (each.hint and _is_long_list(each.allowed)):
            lines.append(f"{indent}  allowed: {_allowed(each.allowed)}")
        if each.hint:
            lines.append(f"{indent}  hint: {each.hint}")
    return lines


def _code(violation: Violation) -> str:
    text = str(violation.code).replace("_", " ")
    return text if violation.given is None else f"{text}, given {_value(violation.given)}"


def _is_long_list(allowed: str | list[str]) -> bool:
    return not isinstance(allowed, str) and len(allowed) > LISTED_MAX


def _allowed(allowed: str | list[str]) -> str:
    return _cut(allowed if isinstance(allowed, str) else ", ".join(allowed))


def _value(value: object) -> str:
    return _cut(msgspec.json.encode(value).decode())


def _cut(text: str) -> str:
    return text if len(text) <= VALUE_CHARS_MAX else text[: VALUE_CHARS_MAX - 1] + "…"
