"""Where each setting in force came from, and what it overrode: for those who explain a document.

The level of a value is found by the merge; here it is put beside the value, and beside what lower
levels had said. It must not know which levels there are, only the order in which they win.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from runbus.contracts.document import RunDocument
from runbus.contracts.events import Overridden
from runbus.contracts.replies import Explained
from runbus.settings.merge import Settings, parts
from runbus.settings.model import Level, Resolved

# What is stored beside a document stays small beside it.
STORED_BYTES_MAX = 64 * 1024
IMPLIED = "implied"  # filled in because of another setting, such as the type of a GPU


def overridden(
    levels: Sequence[tuple[Level, Settings]], origins: Mapping[str, Level]
) -> dict[str, tuple[Overridden, ...]]:
    """Return what the levels below a setting's own said about it, for those that were not alone."""
    said = [_Said(level, parts(settings)) for level, settings in levels if settings]
    rank = {level: place for place, (level, _) in enumerate(levels)}
    found: dict[str, tuple[Overridden, ...]] = {}
    for path, origin in origins.items():
        lower = tuple(
            Overridden(level=each.level.value, value=value)
            for each in said
            if rank[each.level] < rank[origin] and (value := each.at(path)) is not None
        )
        if lower:
            found[path] = lower
    return found


def explain(
    document: RunDocument,
    origins: Mapping[str, str] | None,
    overrode: Mapping[str, tuple[Overridden, ...]],
) -> list[Explained]:
    """Return every setting of an effective document, in its order, then those that were cancelled.

    Args:
        document: the effective document.
        origins: levels by pointer; what is not there came from the run; None: nothing is known.
        overrode: what lower levels said, by pointer.

    """
    in_force = parts(msgspec.to_builtins(document))
    found = [
        Explained(
            path=path,
            value=value,
            level="" if origins is None else origins.get(path, Level.RUN.value),
            overrode=overrode.get(path, ()),
        )
        for path, value in in_force.items()
    ]
    cancelled = (path for path in overrode if path not in in_force and origins is not None)
    for path in cancelled:
        level = (origins or {}).get(path, Level.RUN.value)
        found.append(Explained(path=path, value=None, level=level, overrode=overrode[path]))
    return found


def stored_origins(resolved: Resolved) -> dict[str, str]:
    """Return the levels of what did not come from the run itself, as they go into its event."""
    in_force = parts(msgspec.to_builtins(resolved.document))
    levels = {path: resolved.origins.get(path) for path in in_force}
    told = {path: IMPLIED if level is None else level.value for path, level in levels.items()}
    return {path: level for path, level in told.items() if level != Level.RUN.value}


def stored_overrode(resolved: Resolved) -> dict[str, tuple[Overridden, ...]]:
    """Return what lower levels said, unless it is too much to be kept beside a document."""
    size = len(msgspec.json.encode(resolved.overrode))
    return resolved.overrode if size <= STORED_BYTES_MAX else {}


class _Said:
    """What one level said, by pointer."""

    def __init__(self, level: Level, by_path: Mapping[str, Any]) -> None:
        self.level = level
        self._by_path = by_path
        self._above = {path[:end] for path in by_path for end in _slashes(path)}

    def at(self, path: str) -> Any:
        """Return what was said at a pointer, or, where that stands for all below, there."""
        if path in self._by_path:
            return self._by_path[path]
        if path not in self._above:
            return None
        start = f"{path}/"
        return {
            each.removeprefix(start): value
            for each, value in self._by_path.items()
            if each.startswith(start)
        }


def _slashes(path: str) -> Iterator[int]:
    """Yield where a pointer can be cut off: at each slash but the first."""
    place = path.find("/", 1)
    while place > 0:
        yield place
        place = path.find("/", place + 1)
