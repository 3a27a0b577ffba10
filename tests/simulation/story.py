"""What happened, in order, for people: told while a seed runs, shown when it fails.

Each entry has its time and the run it is about (empty: nobody's). It must stay the same from one
run of a seed to the next: nothing in it may come from the machine.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from typing import Any, cast

from msgspec import Struct

from runbus.runtime.logs import Log
from simulation.loop import START_S

LINES_MAX = 40


class Entry(Struct, frozen=True):
    """One thing that happened."""

    at_s: float
    run: str
    text: str
    detail: bool = False


class Story:
    """Everything that happened in one seed."""

    def __init__(self, now_s: Callable[[], float], *, verbose: bool = False) -> None:
        self._now_s = now_s
        self.entries: list[Entry] = []
        self.verbose = verbose

    def tell(self, run: str, text: str, *, detail: bool = False) -> None:
        """Take down what happened. A detail is shown only to who wants everything."""
        self.entries.append(Entry(self._now_s(), run, text, detail))

    def log(self, service: str) -> Log:
        """Return a logger that tells here."""
        return cast("Log", _StoryLog(self, service, {}))

    def digest(self) -> str:
        """Return a fingerprint of everything."""
        whole = "\n".join(f"{e.at_s!r} {e.run} {e.text}" for e in self.entries)
        return hashlib.sha256(whole.encode()).hexdigest()

    def lines(self, runs: frozenset[str], *, lines_max: int = LINES_MAX) -> list[str]:
        """Return what concerns some runs, and what concerns all, as lines; the middle is cut."""
        wanted = [
            entry
            for entry in self.entries
            if (self.verbose or not entry.detail) and (not entry.run or entry.run in runs)
        ]
        lines = [f"{entry.at_s - START_S:9.3f}  {entry.text}" for entry in wanted]
        if self.verbose or len(lines) <= lines_max:
            return lines
        head, tail = lines_max // 3, lines_max - lines_max // 3 - 1
        return [*lines[:head], f"           … {len(lines) - head - tail} more", *lines[-tail:]]


class _StoryLog:
    """A service's log: warnings and errors are told, the rest are details."""

    def __init__(self, story: Story, service: str, bound: dict[str, Any]) -> None:
        self._story = story
        self._service = service
        self._bound = bound

    def bind(self, **fields: Any) -> _StoryLog:
        """Return a log with more fields."""
        return _StoryLog(self._story, self._service, {**self._bound, **fields})

    def debug(self, event: str, **fields: Any) -> None:
        """Tell nothing."""

    def info(self, event: str, **fields: Any) -> None:
        """Tell a detail."""
        if self._story.verbose:
            self._tell(event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Tell a detail."""
        if self._story.verbose:
            self._tell(event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Tell what went wrong."""
        self._tell(event, fields, detail=False)

    def exception(self, event: str, **fields: Any) -> None:
        """Tell what nobody foresaw, with the exception."""
        self._tell(event, {**fields, "exception": repr(sys.exception())}, detail=False)

    def _tell(self, event: str, fields: dict[str, Any], *, detail: bool = True) -> None:
        told = {**self._bound, **fields}
        run = str(told.pop("run_id", ""))
        shown = ", ".join(f"{key}={value}" for key, value in told.items())
        self._story.tell(run, f"{self._service}: {event} ({shown})", detail=detail)
