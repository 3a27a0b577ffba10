"""Kubernetes' quantities (`500m`, `1Gi`, `1.5G`, `1e3`), read to compare them.

A run document keeps the user's text; only comparisons use what is read here. The grammar is the
one of Kubernetes' resource.Quantity, with one rule of our own: a request cannot be negative.
"""

from __future__ import annotations

import difflib
import re
from decimal import ROUND_CEILING, Context, Decimal
from functools import lru_cache

QUANTITY_CHARACTERS_MAX = 64
_EXPONENT_DIGITS_MAX = 3

_SUFFIXES = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
_ALLOWED_SUFFIXES = "Ki Mi Gi Ti Pi Ei, n u m k M G T P E, or an exponent like e3"
_NUMBER = re.compile(r"(?P<sign>[+-]?)(?P<digits>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_EXPONENT = re.compile(r"[eE][+-]?[0-9]+")
# The API server holds quantities in whole nanos and as at most 2^63-1: finer rounds up.
_LARGEST = Decimal(2**63 - 1)
_SMALLEST = Decimal("1e-9")
# Enough digits for any text of the length allowed times any factor: nothing is ever rounded off.
_EXACT = Context(prec=1200, rounding=ROUND_CEILING)


class QuantityError(ValueError):
    """A quantity that Kubernetes would refuse; `problem` says why, `hint` the way out."""

    def __init__(self, problem: str, hint: str | None = None) -> None:
        super().__init__(problem + (f" ({hint})" if hint else ""))
        self.problem = problem
        self.hint = hint


@lru_cache(maxsize=1024)
def parse_quantity(text: str) -> Decimal:
    """Return the exact value of a quantity, as the API server would hold it.

    Raises:
        QuantityError: not of Kubernetes' grammar, or negative.

    """
    if len(text) > QUANTITY_CHARACTERS_MAX:
        problem = f"longer than {QUANTITY_CHARACTERS_MAX} characters"
        raise QuantityError(problem)
    number = _NUMBER.match(text)
    if number is None:
        raise _no_number(text)
    suffix = text[number.end() :]
    value = _EXACT.multiply(Decimal(number["digits"]), _factor(text, suffix))
    if number["sign"] == "-" and value:
        raise QuantityError("negative", "resources are counted from 0 up")
    if not value:
        return Decimal(0)
    return min(value.quantize(_SMALLEST, context=_EXACT).normalize(_EXACT), _LARGEST)


def _factor(text: str, suffix: str) -> Decimal:
    factor = _SUFFIXES.get(suffix)
    if factor is not None:
        return factor
    if _EXPONENT.fullmatch(suffix) is None:
        raise _unknown_suffix(text, suffix)
    digits = suffix[1:].lstrip("+-").lstrip("0")
    if len(digits) > _EXPONENT_DIGITS_MAX:
        raise QuantityError(f"exponent {suffix} is out of range")
    return Decimal(f"1e{suffix[1:]}")


def _no_number(text: str) -> QuantityError:
    if not text:
        return QuantityError("the text is empty", "write a quantity like 500m or 1Gi")
    if text != text.strip():
        return QuantityError("spaces around it", f"write {text.strip()[:20]}")
    return QuantityError("it does not start with a number", "write a quantity like 500m or 1Gi")


def _unknown_suffix(text: str, suffix: str) -> QuantityError:
    stripped = suffix.strip()
    without_spaces = "".join(text.split())
    if without_spaces != text and stripped in _SUFFIXES:
        return QuantityError("a space in it", f"write {without_spaces}")
    nearest = _nearest(stripped)
    hint = f"did you mean {nearest}? " if nearest else ""
    return QuantityError(
        f"suffix {stripped[:20]!r} is unknown", f"{hint}suffixes are {_ALLOWED_SUFFIXES}"
    )


def _nearest(suffix: str) -> str | None:
    """Return the suffix that was meant: `GB` and `GiB` are habits, `gi` and `K` are slips."""
    without_byte = suffix.removesuffix("B").removesuffix("b")
    if without_byte in _SUFFIXES and without_byte:
        return without_byte
    by_lower = {each.lower(): each for each in ("k", "M", "G", "T", "P", "Ki", *_SUFFIXES) if each}
    if without_byte.lower() in by_lower:
        return by_lower[without_byte.lower()]
    found = difflib.get_close_matches(suffix[:20], [each for each in _SUFFIXES if each], n=1)
    return found[0] if found else None
