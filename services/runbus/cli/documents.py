"""Files given with -f: read, and taken apart into documents, with the place of every mistake."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, assert_never

import msgspec
import yaml
from msgspec import Struct

from runbus.cli.exits import Exit
from runbus.cli.problems import CliError
from runbus.contracts.violations import Violation
from runbus.settings import reading as settings_reading
from runbus.settings.model import Read, Refused

STDIN = "-"
FILE_BYTES_MAX = 64 * 1024 * 1024


class Source(Struct, frozen=True):
    """One file's content; `name` is for messages."""

    name: str
    content: bytes


class Objects(Struct, frozen=True):
    """The documents of one file, parsed."""

    name: str
    documents: list[object]


class Document(Struct, frozen=True, kw_only=True):
    """One run document of a file, or why it is none.

    `place` is for messages; `raw` is whatever was written, `content` the same if it is a mapping.
    """

    place: str
    raw: object = None
    content: dict[str, Any] = {}
    violations: tuple[Violation, ...] = ()


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


def read_documents(files: Sequence[str]) -> list[Document]:
    """Read files of run documents; what cannot be parsed becomes a document with violations.

    Raises:
        CliError: a file cannot be read.

    """
    documents: list[Document] = []
    for source in read_sources(files):
        found = settings_reading.read_documents(source.content)
        for number, each in enumerate(found, start=1):
            place = source.name
            if len(found) > 1:
                place += f", document {number} (line {each.line})"
            documents.append(_document(place, each))
    return documents


def _document(place: str, found: Read | Refused) -> Document:
    match found:
        case Read():
            content = found.value if isinstance(found.value, dict) else {}
            return Document(place=place, raw=found.value, content=content)
        case Refused():
            return Document(place=place, violations=found.violations)
        case _:
            assert_never(found)


def parse_document(text: str) -> dict[str, Any]:
    """Return the first document of a text that is known to hold a mapping."""
    found = settings_reading.read_documents(text)[0]
    assert isinstance(found, Read)
    assert isinstance(found.value, dict)
    return found.value


def _read(file: str) -> Source:
    if file == STDIN:
        return Source("stdin", sys.stdin.buffer.read(FILE_BYTES_MAX))
    path = Path(file)
    if path.is_dir():
        raise CliError(f"{file} is a folder", way_out="give a file, or several with -f each")
    if path.stat().st_size > FILE_BYTES_MAX:
        text = f"{file}: larger than {FILE_BYTES_MAX // 1024 // 1024} MiB"
        raise CliError(text, way_out="is it the right file?")
    return Source(file, path.read_bytes())


def _parse(source: Source) -> list[object]:
    try:
        text = source.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CliError(
            f"{source.name} is not a text file", why=str(error), code=Exit.REFUSED
        ) from error
    if text.lstrip()[:1] in {"{", "["}:
        try:
            return [msgspec.json.decode(text)]
        except msgspec.MsgspecError:
            pass  # several JSON documents, or YAML in braces: the YAML parser takes both
    try:
        return list(yaml.load_all(text, Loader=_Loader))
    except (yaml.YAMLError, RecursionError) as error:
        why = str(error) or "it is nested too deeply"
        raise CliError(
            f"{source.name} is neither YAML nor JSON", why=why, code=Exit.REFUSED
        ) from error
