"""The grammar of every duration in a run document: text to seconds, and back to short text.

Source of the grammar: the page on states, section "Thresholds". It must not know what a duration
is for. The parser never guesses: what it does not understand is refused with its place, because a
limit that silently loses its tail (`1h30` read as an hour) aborts somebody's run.
"""

from __future__ import annotations

import difflib
import re
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

INFINITE = "-1"
DURATION_SECONDS_MIN = 1
# Ten years of 365 days: longer is a slip of the keyboard, not a plan.
DURATION_SECONDS_MAX = 3650 * 86_400
DURATION_CHARACTERS_MAX = 1000

_MINUTE, _HOUR, _DAY, _WEEK = 60, 3600, 86_400, 604_800
_UNITS = {
    "ms": Fraction(1, 1000),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), Fraction(1)),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), Fraction(_MINUTE)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), Fraction(_HOUR)),
    **dict.fromkeys(("d", "day", "days"), Fraction(_DAY)),
    **dict.fromkeys(("w", "week", "weeks"), Fraction(_WEEK)),
}
_UNIT_WORDS = tuple(sorted(_UNITS))
_AMBIGUOUS = {
    "M": "M could be a minute or a month: write m or min",
    "D": "D could be a day or a decade: write d or day",
}
_CALENDAR = frozenset(
    {"mo", "mos", "mon", "mons", "month", "months", "y", "yr", "yrs", "year", "years"}
)
_CALENDAR_HINT = "months and years differ in length: count in days (d) or weeks (w)"

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_WORD = re.compile(r"[^\W\d_]+")
_SEPARATORS = re.compile(r"[ \t,]*")
_AND = re.compile(r"and(?![^\W\d_])", re.IGNORECASE)

# ISO 8601, in the order its designators must have; only the last number may have a fraction.
_ISO_DATE = (("W", _WEEK), ("D", _DAY))
_ISO_TIME = (("H", _HOUR), ("M", _MINUTE), ("S", 1))
_ISO_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)?")


class DurationError(ValueError):
    """A duration that cannot be read.

    `place` is the offset of the character where reading failed, from 0; `problem` says what is
    wrong there; `hint` is the way out, where there is one.
    """

    def __init__(self, place: int, problem: str, hint: str | None = None) -> None:
        super().__init__(f"at character {place + 1}: {problem}" + (f" ({hint})" if hint else ""))
        self.place = place
        self.problem = problem
        self.hint = hint


def parse_duration(text: object, *, allow_infinite: bool = False) -> float | None:
    """Return a duration in seconds; None for `-1`, which is infinite.

    Anything may be given: what is no text is refused like a text that cannot be read.

    Raises:
        DurationError: not a duration, shorter than a second, longer than ten years, or infinite
            where only a finite one makes sense.

    """
    if not isinstance(text, str):
        raise _no_text(text)
    if text == INFINITE:
        if allow_infinite:
            return None
        raise DurationError(0, "-1 (no limit) is not possible here", "give a duration like 1h")
    if len(text) > DURATION_CHARACTERS_MAX:
        problem = f"longer than {DURATION_CHARACTERS_MAX} characters"
        raise DurationError(DURATION_CHARACTERS_MAX, problem)
    if not text:
        raise DurationError(0, "the text is empty", "write a duration like 30s, 10m or 1h30m")
    seconds = _iso_seconds(text) if text[0] == "P" else _items_seconds(text)
    return _within_limits(seconds)


def format_duration(seconds: float) -> str:
    """Return short text for seconds, like `1h30m`, that `parse_duration` reads as the same."""
    exact = Decimal(repr(float(seconds)))
    if not exact.is_finite():
        return str(seconds)
    sign, rest = ("-", -exact) if exact < 0 else ("", exact)
    parts = []
    for unit, size in (("d", _DAY), ("h", _HOUR), ("m", _MINUTE)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count:f}{unit}")
    if rest or not parts:
        parts.append(f"{_trimmed(rest)}s")
    return sign + "".join(parts)


def _trimmed(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _no_text(given: object) -> DurationError:
    if given is None:
        return DurationError(0, "null is no duration", "leave the key out to inherit the default")
    if isinstance(given, bool) or not isinstance(given, int | float):
        return DurationError(0, "not a text", "write a duration in quotes, like '1h30m'")
    if given == -1:
        return DurationError(0, "a number instead of a text", 'quote it: "-1"')
    return DurationError(
        0, "a number instead of a text", "quote it, with a unit: like '30s' or '2h'"
    )


def _within_limits(seconds: Fraction) -> float:
    if seconds < DURATION_SECONDS_MIN:
        raise DurationError(0, "shorter than one second", "the shortest duration is 1s")
    if seconds > DURATION_SECONDS_MAX:
        raise DurationError(
            0,
            "longer than ten years",
            'the longest is 3650d; where it is allowed, "-1" is no limit',
        )
    return float(seconds)


@lru_cache(maxsize=1024)
def _items_seconds(text: str) -> Fraction:
    """Add up value-unit pairs."""
    total, place = Fraction(0), 0
    while True:
        number = _NUMBER.match(text, place)
        if number is None:
            raise _no_number(text, place)
        unit, place = _unit_after(text, number)
        total += Fraction(number[0]) * unit
        if place == len(text):
            return total
        place = _next_item(text, place)


def _unit_after(text: str, number: re.Match[str]) -> tuple[Fraction, int]:
    """Return the size of the unit that follows a number, and where the unit ends."""
    start = _separators_end(text, number.end())
    word = _WORD.match(text, start)
    if word is None:
        if start == len(text) or text[start] in "0123456789":
            hint = f"add a unit, like {number[0][:20]}s, {number[0][:20]}m or {number[0][:20]}h"
            raise DurationError(number.start(), f"number {number[0][:20]} has no unit", hint)
        raise DurationError(
            start, f"{text[start]!r} is not understood here", _sign_hint(text[start])
        )
    return _unit_size(word[0], start), word.end()


def _unit_size(word: str, place: int) -> Fraction:
    if word in _AMBIGUOUS:
        raise DurationError(place, f"unit {word} is ambiguous", _AMBIGUOUS[word])
    lowered = word.lower()
    size = _UNITS.get(lowered)
    if size is not None:
        return size
    shown = word[:20]
    if lowered in _CALENDAR:
        raise DurationError(place, f"unit {shown} is not possible", _CALENDAR_HINT)
    nearest = difflib.get_close_matches(lowered[:20], _UNIT_WORDS, n=1, cutoff=0.4)
    known = "units are ms, s, m, h, d, w and their words"
    hint = f"did you mean {nearest[0]}? {known}" if nearest else known
    raise DurationError(place, f"unit {shown} is unknown", hint)


def _next_item(text: str, place: int) -> int:
    """Return where the next item starts; separators and one `and` may stand before it."""
    start = _separators_end(text, place)
    word = _AND.match(text, start)
    if word is not None:
        start = _separators_end(text, word.end())
    if start == len(text):
        raise DurationError(place, "nothing follows", "take away what stands after the last unit")
    return start


def _separators_end(text: str, place: int) -> int:
    found = _SEPARATORS.match(text, place)
    return found.end() if found is not None else place


def _no_number(text: str, place: int) -> DurationError:
    found = text[place]
    if found in "+-\u2212":
        return DurationError(place, f"sign {found} is not possible", _sign_hint(found))
    if found == ".":
        return DurationError(place, "a number starts with a digit", "write 0.5h, not .5h")
    if found in " \t,":
        return DurationError(place, "nothing stands before this separator", "take it away")
    if found.isascii():
        return DurationError(place, f"a number is expected, not {found!r}", "write it like 1h30m")
    return DurationError(
        place, f"a number is expected, not {found!r}", "only the digits 0 to 9 make numbers"
    )


def _sign_hint(found: str) -> str | None:
    return 'only "-1" has a sign: no limit' if found in "+-\u2212" else None


def _iso_seconds(text: str) -> Fraction:
    """Read `P[nW][nD][T[nH][nM][nS]]`; months and years are refused, as in the other form."""
    date, marker, time = text[1:].partition("T")
    total, fraction_at = _iso_part(date, 1, _ISO_DATE)
    if not marker:
        if not date:
            raise DurationError(1, "nothing follows the P", "write it like PT5M or P1DT2H")
        return total
    time_at = len(date) + 2
    if not time:
        raise DurationError(time_at - 1, "nothing follows the T", "write it like PT5M or P1DT2H")
    if fraction_at is not None:
        raise DurationError(fraction_at, "only the last number may have a fraction")
    return total + _iso_part(time, time_at, _ISO_TIME)[0]


def _iso_part(
    part: str, offset: int, designators: tuple[tuple[str, int], ...]
) -> tuple[Fraction, int | None]:
    """Return the seconds of one side of the T, and the place of a number with a fraction."""
    total, place, left = Fraction(0), 0, list(designators)
    fraction_at: int | None = None
    while place < len(part):
        number = _ISO_NUMBER.match(part, place)
        if number is None:
            problem = f"a number is expected, not {part[place]!r}"
            raise DurationError(offset + place, problem, "write it like PT5M or P1DT2H")
        if fraction_at is not None:
            raise DurationError(fraction_at, "only the last number may have a fraction")
        if "." in number[0] or "," in number[0]:
            fraction_at = offset + number.start()
        size = _iso_designator(part, offset, number, left)
        total += Fraction(number[0].replace(",", ".")) * size
        place = number.end() + 1
    return total, fraction_at


def _iso_designator(
    part: str, offset: int, number: re.Match[str], left: list[tuple[str, int]]
) -> int:
    """Return the size of the designator after a number; `left` loses it and those before."""
    end = number.end()
    if end == len(part):
        raise DurationError(offset + number.start(), f"number {number[0][:20]} has no unit")
    found = part[end]
    for position, (designator, size) in enumerate(left):
        if designator == found:
            del left[: position + 1]
            return size
    if found == "Y" or (found == "M" and offset == 1):
        raise DurationError(offset + end, f"{found} is a month or a year here", _CALENDAR_HINT)
    problem = f"{found!r} is not possible here"
    raise DurationError(offset + end, problem, "the order is P, weeks W, days D, T, H, M, S")
