"""Container logs on disk, in the format of the container runtime interface, with a cap.

A line is ``<RFC 3339 time> stdout F <text>`` (P: the text goes on in the next line). Files:
``<folder>/<restart>.log``, and ``.log.1`` for the older half. Writing goes to the page cache.
"""

import datetime as dt
import pathlib
from collections.abc import Iterable
from typing import BinaryIO

import msgspec

_MAX_LINE_BYTES = 16 * 1024
_KEPT_RUNS = 2


class LogQuery(msgspec.Struct, frozen=True):
    """What a reader asks for; None means no such limit."""

    tail_lines: int | None = None
    limit_bytes: int | None = None
    since: str | None = None
    timestamps: bool = False


def stamp(epoch_s: float) -> str:
    """A log line's time: RFC 3339 with nanoseconds' width, so that text order is time order."""
    moment = dt.datetime.fromtimestamp(epoch_s, dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


class LogFile:
    """The log of one run of a container: append only, the older half is dropped at the cap."""

    def __init__(self, folder: pathlib.Path, run: int, max_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{run}.log"
        self._half = max_bytes // 2
        self._file: BinaryIO | None = self.path.open("ab", buffering=0)
        self._size = self._file.tell()
        self._rest = b""
        old = folder / f"{run - _KEPT_RUNS}.log"
        for gone in (old, _older(old)):
            gone.unlink(missing_ok=True)

    @property
    def closed(self) -> bool:
        """Whether the container's output has ended."""
        return self._file is None

    def append(self, data: bytes, epoch_s: float) -> None:
        """Write what a container wrote; an unfinished line waits for its end."""
        *whole, rest = (self._rest + data).split(b"\n")
        lines = [b"F " + line for line in whole]
        while len(rest) > _MAX_LINE_BYTES:
            lines.append(b"P " + rest[:_MAX_LINE_BYTES])
            rest = rest[_MAX_LINE_BYTES:]
        self._rest = rest
        self._write(lines, epoch_s)

    def close(self, epoch_s: float) -> None:
        """Write an unfinished last line and close."""
        if self._file is not None:
            if self._rest:
                self._write([b"P " + self._rest], epoch_s)
            self._file.close()
            self._file = None

    def _write(self, lines: list[bytes], epoch_s: float) -> None:
        if self._file is None or not lines:
            return
        head = stamp(epoch_s).encode() + b" stdout "
        data = b"".join(head + line + b"\n" for line in lines)
        if self._size and self._size + len(data) > self._half:
            self._file.close()
            self.path.replace(_older(self.path))
            self._file = self.path.open("ab", buffering=0)
            self._size = 0
        self._file.write(data)
        self._size += len(data)


def _older(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(path.name + ".1")


def read_log(path: pathlib.Path, query: LogQuery) -> tuple[bytes, int]:
    """The selected text of a log, and the position in its newest file up to which it was read."""
    older = _older(path).read_bytes() if _older(path).exists() else b""
    newest = path.read_bytes() if path.exists() else b""
    text = render((older + newest).splitlines(), query)
    return text, len(newest)


def read_from(path: pathlib.Path, position: int) -> tuple[list[bytes], int]:
    """The whole lines of the newest file behind a position, and the position behind them."""
    size = path.stat().st_size if path.exists() else 0
    start = position if size >= position else 0  # it was rotated: begin anew
    if size == start:
        return [], start
    with path.open("rb") as file:
        file.seek(start)
        data = file.read()
    end = data.rfind(b"\n") + 1
    return data[:end].splitlines(), start + end


def render(lines: Iterable[bytes], query: LogQuery) -> bytes:
    """Turn stored lines into what a reader gets: since, then tail, then the byte limit."""
    since = query.since.encode() if query.since else b""
    selected = [line for line in lines if line[: len(since)] >= since]
    if query.tail_lines is not None:
        selected = _last(selected, query.tail_lines)
    text = b"".join(_shown(line, query.timestamps) for line in selected)
    return text if query.limit_bytes is None else text[: query.limit_bytes]


def _last(lines: list[bytes], count: int) -> list[bytes]:
    if count <= 0:
        return []
    left = count
    for i in range(len(lines) - 1, -1, -1):
        ends = i == len(lines) - 1 or _tag(lines[i]) == b"F"
        if ends:
            left -= 1
            if left < 0:
                return lines[i + 1 :]
    return lines


def _tag(line: bytes) -> bytes:
    return line.split(b" ", 3)[2] if line.count(b" ") > 2 else b"F"


def _shown(line: bytes, timestamps: bool) -> bytes:
    parts = line.split(b" ", 3)
    if len(parts) < 4:
        return b""
    time, _, tag, text = parts
    end = b"\n" if tag == b"F" else b""
    return (time + b" " if timestamps else b"") + text + end
