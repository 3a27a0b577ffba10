"""Files given with -f: read, and taken apart into documents, with the place of every mistake."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import yaml
from msgspec import Struct

from runbus.cli.exits import Exit
from runbus.cli.problems import CliError

STDIN = "-"
FILE_BYTES_MAX = 64 * 1024 * 1024


class Source(Struct, frozen=True):
    """One file's content; `name` is for messages."""

    name: str
    text: str


class Objects(Struct, frozen=True):
    """The documents of one file, parsed."""

    name: str
    documents: list[object]


class _Loader(yaml.SafeLoader):
    """YAML's safe subset, timestamps left as the text they were."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_sources(files: Sequence[str]) -> list[Source]:
    """Read files; `-` is stdin.

    Raises:
        CliError: one cannot be read.

    """
    return [_read(file) for file in files]


def read_objects(files: Sequence[str]) -> list[Objects]:
    """Read files of Kubernetes objects, YAML (also several documents) or JSON.

    Raises:
        CliError: one cannot be read or parsed; the place is named.

    """
    return [Objects(each.name, _parse(each)) for each in read_sources(files)]


def _read(file: str) -> Source:
    if file == STDIN:
        return Source("stdin", sys.stdin.read(FILE_BYTES_MAX))
    path = Path(file)
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            text = f"{file}: larger than {FILE_BYTES_MAX // 1024 // 1024} MiB"
            raise CliError(text, way_out="is it the right file?")
        return Source(file, path.read_text())
    except UnicodeDecodeError as error:
        raise CliError(f"{file}: not a text file", why=str(error), code=Exit.REFUSED) from error


def _parse(source: Source) -> list[object]:
    if source.text.lstrip()[:1] in {"{", "["}:
        try:
            return [msgspec.json.decode(source.text)]
        except msgspec.MsgspecError:
            pass  # several JSON documents, or YAML in braces: the YAML parser takes both
    try:
        return list(yaml.load_all(source.text, Loader=_Loader))
    except yaml.YAMLError as error:
        raise CliError(
            f"{source.name} is neither YAML nor JSON", why=str(error), code=Exit.REFUSED
        ) from error
