"""What is wrong with a text by its grammar: the code, what would be right, and the way out.

It must not know which grammars there are.
"""

from __future__ import annotations

from msgspec import Struct

from runbus.contracts.violations import ViolationCode


class Problem(Struct, frozen=True):
    """What is wrong with a text, what would be right, and the way out."""

    code: ViolationCode
    allowed: str | list[str] | None = None
    hint: str | None = None
