"""Kubernetes quantities (``500m``, ``1Gi``, ``1e3``), exactly.

Grammar: k8s.io/apimachinery resource.Quantity. Values are Fractions, so that sums are exact.
"""

import functools
import re
from fractions import Fraction

PATTERN = (
    r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"  # as Kubernetes itself names it in messages
)
_NUMBER = re.compile(
    r"([+-]?)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?[0-9]+)?"
)
_SUFFIX = {
    "": Fraction(1),
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}
_MAX_EXPONENT = 30
_MAX_LENGTH = 64


@functools.lru_cache(maxsize=4096)
def parse_quantity(text: str) -> Fraction:
    """Read a quantity; ValueError with Kubernetes' words where it is none."""
    match = _NUMBER.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None:
        raise ValueError(f"quantities must match the regular expression '{PATTERN}'")
    sign, digits, suffix = match.group(1), match.group(2), match.group(3) or ""
    value = Fraction(digits if digits[-1] != "." else digits[:-1])
    if len(suffix) > 1 and suffix[0] in "eE" and suffix != "Ei":
        exponent = int(suffix[1:])
        if abs(exponent) > _MAX_EXPONENT:
            raise ValueError("unable to parse quantity's suffix")
        value *= Fraction(10) ** exponent
    else:
        value *= _SUFFIX[suffix]
    return -value if sign == "-" else value


def format_quantity(value: Fraction) -> str:
    """Write a quantity the way Kubernetes would: whole, milli, or a power of 1024."""
    if value.denominator == 1:
        for suffix in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
            if value and value % _SUFFIX[suffix] == 0:
                return f"{value / _SUFFIX[suffix]}{suffix}"
        return str(value.numerator)
    for suffix in ("m", "u", "n"):
        scaled = value / _SUFFIX[suffix]
        if scaled.denominator == 1:
            return f"{scaled.numerator}{suffix}"
    return f"{-(-value.numerator * 10**9 // value.denominator)}n"
