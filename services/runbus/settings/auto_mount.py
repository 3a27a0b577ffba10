"""Volumes that every pod gets: those of the service's and a project's defaults.

A run that says `auto_mount: false`, at whichever level, gets none of them; one that mounts the
same place or names a volume alike keeps its own, and a project's goes before the service's.
Source: the page on settings, section 5.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from runbus.contracts.document_rules import mount_place
from runbus.contracts.violations import Violation, ViolationCode
from runbus.settings.model import ASKED, Level

Settings = Mapping[str, Any]
Levels = list[tuple[Level, Settings]]

_INHERITED = (Level.SERVICE, Level.PROJECT)


def with_auto_mounts(levels: Sequence[tuple[Level, Settings]]) -> tuple[Levels, list[Violation]]:
    """Return levels without the automatic volumes that give way, and a warning for each of them."""
    is_off = any(settings.get("auto_mount") is False for _, settings in levels)
    own = _places(levels, ASKED)
    of_project = _places(levels, {Level.PROJECT})
    left: Levels = []
    warnings: list[Violation] = []
    for level, settings in levels:
        volumes = settings.get("volumes")
        if level not in _INHERITED or not volumes:
            left.append((level, settings))
            continue
        kept = []
        for volume in () if is_off else volumes:
            name, place = volume["name"], mount_place(volume["mount"])
            if name in own or place in own.values():
                warnings.append(_left_out(name, place))
            # Of one name, the merge puts the later level's in the place of the other.
            is_taken = place in own.values() and name not in own
            if level is Level.SERVICE and name not in of_project:
                is_taken = is_taken or (place in of_project.values() and name not in own)
            if not is_taken:
                kept.append(volume)
        left.append((level, {**settings, "volumes": kept}))
    return left, warnings


def _places(levels: Sequence[tuple[Level, Settings]], wanted: Container[Level]) -> dict[str, str]:
    """Return where the volumes of some levels are mounted, by name."""
    return {
        volume["name"]: mount_place(volume["mount"])
        for level, settings in levels
        if level in wanted
        for volume in settings.get("volumes") or ()
    }


def _left_out(name: str, place: str) -> Violation:
    hint = f"the run has a volume of that name, or at {place}, of its own: that one is mounted"
    return Violation("/volumes", ViolationCode.LEFT_OUT.value, name, hint=hint)
