"""What was found: fine, worth a look, or wrong; and what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from runbus.cli.exits import Exit

NAMED_MAX = 5


class Section(StrEnum):
    """What was looked at, in the order in which it is told."""

    BUS = "bus"
    STREAMS = "streams"
    SERVICES = "services"
    DEFAULTS = "defaults"
    CLUSTER = "cluster"
    RIGHTS = "rights"
    RUNS = "runs"


class Grade(StrEnum):
    """How bad it is. A warning is worth a look; what is a problem does harm."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(Struct, frozen=True, kw_only=True):
    """One line of the doctor. `is_unreachable`: bus or cluster do not answer at all."""

    section: Section
    grade: Grade
    what: str
    way_out: str = ""
    is_unreachable: bool = False


def ok(section: Section, what: str) -> Finding:
    """Return what is as it should be."""
    return Finding(section=section, grade=Grade.OK, what=what)


def warning(section: Section, what: str, way_out: str = "") -> Finding:
    """Return what is worth a look."""
    return Finding(section=section, grade=Grade.WARNING, what=what, way_out=way_out)


def problem(section: Section, what: str, way_out: str = "") -> Finding:
    """Return what is wrong."""
    return Finding(section=section, grade=Grade.PROBLEM, what=what, way_out=way_out)


def unreachable(section: Section, what: str, way_out: str = "") -> Finding:
    """Return that bus or cluster do not answer."""
    return Finding(
        section=section, grade=Grade.PROBLEM, what=what, way_out=way_out, is_unreachable=True
    )


def exit_of(findings: Iterable[Finding]) -> Exit:
    """Return the exit code: unreachable before wrong before fine; warnings are fine."""
    found = list(findings)
    if any(each.is_unreachable for each in found):
        return Exit.UNREACHABLE
    return Exit.RUN_ERROR if any(each.grade is Grade.PROBLEM for each in found) else Exit.DONE


def some(names: Iterable[str]) -> str:
    """Return a few names, and how many more there are."""
    found = list(names)
    more = len(found) - NAMED_MAX
    return ", ".join(found[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
