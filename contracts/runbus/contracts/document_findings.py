"""The list that a check of a document writes into, so that it can go on after the first mistake.

It bounds what one document can cost: how many findings are listed, and how many values are looked
at. It must not know which checks there are.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from msgspec.structs import replace

from runbus.contracts.violations import NOT_SHOWN, Violation, ViolationCode, shortened

# A document of half a megabyte can hold more mistakes than one event can carry.
FINDINGS_MAX = 200
# A document of 512 KiB cannot hold more values than bytes; shared YAML anchors can, by far.
VALUES_MAX = 600_000
_WORD_CHARACTERS_MAX = 80

TEXT = "text"
WHOLE_NUMBER = "a whole number"
TRUE_OR_FALSE = "true or false"
LIST = "a list"
MAPPING = "a mapping"

_BOOLEAN_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n"})
_PRINTED_BITS_MAX = 200  # longer whole numbers are not repeated in a hint


class Findings:
    """Collects the violations of one document in the order in which they are found."""

    def __init__(self) -> None:
        self.found: list[Violation] = []
        self.values_left = VALUES_MAX

    @property
    def is_full(self) -> bool:
        """Whether nothing more is listed: what only serves to tell can be left out."""
        return len(self.found) > FINDINGS_MAX

    def add(
        self,
        path: str,
        code: ViolationCode,
        given: object = None,
        *,
        allowed: str | list[str] | None = None,
        hint: str | None = None,
    ) -> None:
        """Add one finding; what was given is shortened, and containers are only described."""
        if self.is_full:
            return
        if len(self.found) == FINDINGS_MAX:
            hint = f"more than {FINDINGS_MAX} violations: mend these, the rest comes after"
            self.found.append(Violation("/", ViolationCode.TOO_MANY_VIOLATIONS.value, hint=hint))
            return
        self.found.append(
            Violation(path or "/", code.value, given=shortened(given), allowed=allowed, hint=hint)
        )

    def wrong_type(self, path: str, given: object, expected: str, hint: str | None = None) -> None:
        """Add that something is of the wrong type, in people's words."""
        told = hint or _type_hint(given, expected)
        self.add(path, ViolationCode.WRONG_TYPE, given, allowed=expected, hint=told)

    def may_go_on(self, path: str) -> bool:
        """Count one more value; say whether it is still to be looked at."""
        self.values_left -= 1
        if self.values_left == 0:
            hint = "too many values: repeat less through anchors, or split the document"
            self.add(path, ViolationCode.TOO_LARGE, hint=hint)
        return self.values_left > 0

    def hide_values_since(self, start: int, except_path: str) -> None:
        """Take values out of the findings from `start` on, but for one place: of hints as well."""
        for position in range(start, len(self.found)):
            finding = self.found[position]
            if finding.path == except_path or finding.given is None:
                continue
            hint = "put it in quotes" if finding.code == ViolationCode.WRONG_TYPE else finding.hint
            self.found[position] = replace(finding, given=NOT_SHOWN, hint=hint)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant, if there is one that is near."""
    cut = word[:_WORD_CHARACTERS_MAX].lower()
    plain = {each.lower().replace("_", "").replace("-", ""): each for each in known}
    found = plain.get(cut.replace("_", "").replace("-", "").replace(" ", ""))
    if found is not None:
        return found
    by_lower = {each.lower(): each for each in plain.values()}
    close = difflib.get_close_matches(cut.replace("-", "_"), list(by_lower), n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a hint that names the nearest known word."""
    found = nearest(word, known)
    return f"did you mean {found}?" if found is not None else None


def _type_hint(given: object, expected: str) -> str | None:
    """Return the way out of the most usual slips of type."""
    if given is None:
        return "leave it out, or write text in quotes" if expected.startswith(TEXT) else None
    if expected.startswith(TEXT):
        return _quoted_hint(given)
    match expected, given:
        case ("a whole number", str()):
            return "write a whole number, without quotes"
        case ("a whole number", float()) if given.is_integer():
            return f"write it without a fraction: {given:.0f}" if abs(given) < 1e15 else None
        case ("true or false", str()) if given.lower() in _BOOLEAN_WORDS:
            return "write true or false, without quotes"
        case ("a list", str() | int() | float()):
            return "put it in brackets: [ ]"
    return None


def _quoted_hint(given: object) -> str | None:
    if isinstance(given, bool):
        return f'put it in quotes: "{str(given).lower()}"'
    is_short = isinstance(given, int) and given.bit_length() < _PRINTED_BITS_MAX
    if is_short or isinstance(given, float):
        return f'put it in quotes: "{given}"'
    if isinstance(given, list | tuple | dict):
        return None
    return "put it in quotes"
