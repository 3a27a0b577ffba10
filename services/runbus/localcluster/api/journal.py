"""Keeps the objects in files, so that a restarted API server has them again.

A generation is a snapshot (every object at its beginning) and a journal (every change since, one
line of JSON each, written before the change is visible). A new generation begins with each start
and when the journal has grown; older files go once its snapshot is whole. What was answered
survives a killed process, but not a power cut: nothing is synced. The watch history is not kept.
"""

import asyncio
import contextlib
import os
import pathlib
from collections.abc import Iterable
from typing import Any

import msgspec
import structlog

from runbus.localcluster.rules.resources import Resource
from runbus.localcluster.store.history import EventType, Stored
from runbus.localcluster.store.store import ObjectStore

_SMALLEST_BYTES = 16 * 1024 * 1024
_GROWTH = 2  # a journal may be so many times as large as the snapshot below it
_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger("localcluster")


class _Line(msgspec.Struct):
    """One object of a snapshot, one change of a journal; without ``o`` it was removed."""

    k: str = ""
    v: int = 0
    n: tuple[str, str] = ("", "")
    o: msgspec.Raw = msgspec.Raw()


Kept = dict[tuple[str, str, str], _Line]


class JournalError(Exception):
    """A change could not be written, and was not made."""


class Journal:
    """The files of one folder. Use: ``load``, ``restore`` into a store, then ``record``."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._generation = 0
        self._file = -1
        self._size = 0
        self._limit = _SMALLEST_BYTES
        self._kept: Kept = {}

    def load(self) -> int:
        """Read what is there; gives the newest resourceVersion (0 where there is nothing)."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        newest, first = 0, self._newest("snapshot")
        self._generation = max(first, self._newest("journal"))
        for name in ("snapshot", "journal"):
            for number in self._numbers(name):
                if number < first or (name == "snapshot" and number > first):
                    continue
                newest = max(newest, self._read(self._path(name, number)))
        return newest

    def restore(self, store: ObjectStore, resources: Iterable[Resource]) -> int:
        """Put what was loaded into a store, and begin a generation; gives how many objects."""
        known = {each.qualified: each for each in resources}
        for (kind, _, _), line in self._kept.items():
            if kind in known:
                store.restore(known[kind], line.v, msgspec.json.decode(line.o))
        count = len(self._kept)
        self._kept = {}
        taken = _everything(store, known.values())
        self._begin()
        self._write_snapshot(self._generation, taken, store.version)
        return count

    def record(self, resource: Resource, kind: EventType, stored: Stored) -> None:
        """Write a change; raises JournalError, and then nothing is written."""
        line = _as_line(resource, stored, kind is EventType.DELETED)
        try:
            written = os.write(self._file, line)
        except OSError as error:
            raise JournalError(f"cannot keep the change: {error}") from error
        if written < len(line):
            os.ftruncate(self._file, self._size)
            raise JournalError("cannot keep the change: the disk is full")
        self._size += written

    async def tidy(self, store: ObjectStore, resources: Iterable[Resource]) -> bool:
        """Begin a new generation where the journal is long; says whether it did."""
        if self._size < self._limit:
            return False
        taken, version = _everything(store, resources), store.version
        self._begin()
        await asyncio.to_thread(self._write_snapshot, self._generation, taken, version)
        return True

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _begin(self) -> None:
        self.close()
        self._generation += 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        self._file = os.open(self._path("journal", self._generation), flags, 0o600)
        self._size = 0

    def _write_snapshot(
        self, number: int, taken: list[tuple[Resource, Stored]], version: int
    ) -> None:
        """Write all objects whole or not at all, then drop the generations before."""
        path = self._path("snapshot", number)
        fresh = path.with_name(f".{path.name}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_encode(_Line(v=version)) + b"\n")
            file.writelines(_as_line(resource, each, False) for resource, each in taken)
            self._limit = max(_SMALLEST_BYTES, _GROWTH * file.tell())
        fresh.replace(path)
        for name in ("snapshot", "journal"):
            for old in self._numbers(name):
                if old < number:
                    self._path(name, old).unlink(missing_ok=True)

    def _read(self, path: pathlib.Path) -> int:
        """Take the lines of a file; one that is cut off or unreadable is left out."""
        newest = unreadable = 0
        with path.open("rb") as file:
            for raw in file:
                try:
                    line = msgspec.json.decode(raw, type=_Line)
                except msgspec.DecodeError:
                    unreadable += 1
                    continue
                newest = max(newest, line.v)
                if not line.k:  # the head of a snapshot
                    continue
                key = (line.k, *line.n)
                if bytes(line.o):
                    self._kept[key] = line
                else:
                    self._kept.pop(key, None)
        if unreadable:
            _log.warning("lines of the journal cannot be read", file=path.name, lines=unreadable)
        return newest

    def _path(self, name: str, number: int) -> pathlib.Path:
        return self._folder / f"{name}-{number:08d}"

    def _numbers(self, name: str) -> list[int]:
        found = []
        for each in self._folder.glob(f"{name}-*"):
            with contextlib.suppress(ValueError):
                found.append(int(each.name.removeprefix(f"{name}-")))
        return sorted(found)

    def _newest(self, name: str) -> int:
        return max(self._numbers(name), default=0)


def _everything(store: ObjectStore, resources: Iterable[Resource]) -> list[tuple[Resource, Stored]]:
    return [(resource, each) for resource in resources for each in store.all(resource)]


def _as_line(resource: Resource, stored: Stored, removed: bool) -> bytes:
    head: dict[str, Any] = {"k": resource.qualified, "v": stored.version, "n": stored.key}
    if removed:
        return _encode(head) + b"\n"
    return b'%b,"o":%b}\n' % (_encode(head)[:-1], stored.body)
