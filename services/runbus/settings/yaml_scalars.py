"""What a plain word in YAML is: null, true, false, a number, or the text that it is.

The two versions of YAML disagree on plain words, and users trip over the difference: `on`, `no`,
`0777`, `1:30`, `1_000` and dates are something else than text in YAML 1.1 only. The rule here:

- null and booleans are those of YAML 1.2 (`null`, `~`, `true`, `false`; `yes`, `on`, `off` and `no`
  are text);
- a number is what JSON or YAML 1.2 reads as a decimal number, with or without an exponent
  (`1e-4`), and `0x1F`, which both versions read alike; whatever else starts like a number stays
  text as written: leading zeros, `0o17`, `0b1`, `1_000`, `1:30`, versions, dates;
- not-a-number and infinities are refused: JSON has none.
"""

from __future__ import annotations

import re

from runbus.settings.json_reading import INTEGER_CHARACTERS_MAX, INTEGER_MAX, INTEGER_MIN

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MAY_BE_NUMBER = frozenset("0123456789+-.")


class NumberError(ValueError):
    """A plain number that JSON does not have, or that not every reader can hold."""


def plain_value(text: str) -> object:
    """Return what a plain scalar stands for.

    Raises:
        NumberError: not a number, infinite, or a whole number beyond 64 bits; with the way out.

    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _MAY_BE_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return _whole(text, 10)
    if _HEX.fullmatch(text):
        return _whole(text, 16)
    if _NOT_FINITE.fullmatch(text):
        raise NumberError("no number of JSON's: leave it out, or put it in quotes")
    return _finite(text) if _FLOAT.fullmatch(text) else text


def _whole(text: str, base: int) -> int:
    number = int(text, base) if len(text) <= INTEGER_CHARACTERS_MAX else INTEGER_MAX + 1
    if not INTEGER_MIN <= number <= INTEGER_MAX:
        raise NumberError("beyond 64 bits, which not every reader holds: put it in quotes")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if abs(number) == float("inf"):
        raise NumberError("the number is too large: put it in quotes")
    return number
