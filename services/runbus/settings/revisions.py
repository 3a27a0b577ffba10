"""Which revision of the operator's defaults is in force: the newest that can be used.

For the services, which take revisions as they come, and for people who ask. It must not know
where revisions are kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from runbus.contracts.violations import Violation
from runbus.settings.defaults import Defaults, parse_defaults
from runbus.settings.model import Refused


class Usable(Struct, frozen=True, kw_only=True):
    """A revision that can be used; without `defaults` it takes them away."""

    revision: int
    defaults: Defaults | None


class Unusable(Struct, frozen=True, kw_only=True):
    """A revision that is refused, and so has no effect."""

    revision: int
    violations: tuple[Violation, ...]


class Judged(Struct, frozen=True, kw_only=True):
    """The newest revision that can be used, and those after it that cannot, newest first."""

    usable: Usable | None = None
    unusable: tuple[Unusable, ...] = ()


def judge_revisions(oldest_first: Iterable[tuple[int, bytes | None]]) -> Judged:
    """Judge revisions (number, content; None: taken away). What is older is not looked at."""
    unusable: list[Unusable] = []
    for revision, content in reversed(list(oldest_first)):
        parsed = parse_defaults(content) if content is not None else None
        if not isinstance(parsed, Refused):
            found = Usable(revision=revision, defaults=parsed)
            return Judged(usable=found, unusable=tuple(unusable))
        unusable.append(Unusable(revision=revision, violations=parsed.violations))
    return Judged(unusable=tuple(unusable))
