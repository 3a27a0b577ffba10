"""Volumes that every pod gets: those of the service's and a project's defaults.

A run that says `auto_mount: false`, at whichever level, gets none of them; one that mounts the
same place or names a volume alike keeps its own. Source: the page on settings, section 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    own = [
        volume
        for level, settings in levels
        if level in ASKED
        for volume in settings.get("volumes") or ()
    ]
    names = {each["name"] for each in own}
    places = {mount_place(each["mount"]) for each in own}
    left: Levels = []
    warnings: list[Violation] = []
    for level, settings in levels:
        volumes = settings.get("volumes")
        if level not in _INHERITED or not volumes:
            left.append((level, settings))
            continue
        kept = []
        for volume in () if is_off else volumes:
            place = mount_place(volume["mount"])
            is_replaced = volume["name"] in names  # the merge puts the run's own in its place
            if is_replaced or place in places:
                warnings.append(_left_out(volume["name"], place))
            if is_replaced or place not in places:
                kept.append(volume)
        left.append((level, {**settings, "volumes": kept}))
    return left, warnings


def _left_out(name: str, place: str) -> Violation:
    hint = f"the run has a volume of that name, or at {place}, of its own: that one is mounted"
    return Violation("/volumes", ViolationCode.LEFT_OUT.value, name, hint=hint)
