"""Writing: data to stdout, talk to stderr, and whether a stream is a terminal with colours."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

import msgspec


def out(text: str) -> None:
    """Write data, as it is, at once: readers in a pipe follow along."""
    sys.stdout.write(text)
    sys.stdout.flush()


def out_line(text: str) -> None:
    """Write one line of data."""
    out(text + "\n")


def say(text: str) -> None:
    """Write one line of talk."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def is_terminal(stream: TextIO) -> bool:
    """Say whether a person looks at a stream."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colours(stream: TextIO) -> bool:
    """Say whether colours are wanted: a terminal, and no NO_COLOR (https://no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def width_of(stream: TextIO) -> int | None:
    """Return the columns of a terminal; None where lines must not be cut."""
    return shutil.get_terminal_size().columns if is_terminal(stream) else None


def json_text(value: object) -> str:
    """Return JSON on several lines."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def json_line(value: object) -> str:
    """Return JSON on one line."""
    return msgspec.json.encode(value).decode() + "\n"


def yaml_text(value: object) -> str:
    """Return YAML, keys in their own order."""
    import yaml

    plain = msgspec.to_builtins(value)
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
