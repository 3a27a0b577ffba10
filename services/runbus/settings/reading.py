"""The bytes and text of documents to raw values, one verdict a document; nothing is ever raised.

JSON is read as JSON. YAML is read so that no plain word turns into something else behind its
writer's back (`yaml_scalars` has the rules). It must not know what a document means.
"""

from __future__ import annotations

import re

from runbus.contracts.document import DOCUMENT_BYTES_MAX
from runbus.contracts.violations import ViolationCode
from runbus.settings.json_reading import place, read_json_stream, read_json_text, refused
from runbus.settings.model import Read, Refused
from runbus.settings.yaml_reading import read_yaml_text

__all__ = ["DOCUMENTS_MAX", "Read", "Refused", "read_documents", "read_json"]

# Of one file or stream; one run each.
DOCUMENTS_MAX = 10_000

# At the start of a line these three can be nothing but the start of a document, whatever they
# stand in (YAML 1.2, 9.1.2).
_DOCUMENT_START = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_NO_CONTENT = re.compile(r"(?:[ \t]*(?:#[^\n]*|%[^\n]*)?(?:\r?\n|\Z))*\Z")
_JSON_MAPPING = re.compile(r'\{\s*"')


def read_json(body: bytes) -> Read | Refused:
    """Return the value of a JSON body, or why it is none."""
    if len(body) > DOCUMENT_BYTES_MAX:
        return _too_large(len(body))
    text = _decoded(body)
    if isinstance(text, Refused):
        return text
    return read_json_text(text) if text.strip() else _empty()


def read_documents(content: str | bytes) -> list[Read | Refused]:
    """Return what stands in a file or stream: YAML documents, or JSON ones.

    Each document has a verdict of its own, in their order; there is always at least one.
    """
    text = _decoded(content) if isinstance(content, bytes) else content.removeprefix("\ufeff")
    if isinstance(text, Refused):
        return [text]
    verdicts: list[Read | Refused] = []
    for part, line in _parts(text):
        verdicts.extend(_read_part(part, line))
        if len(verdicts) > DOCUMENTS_MAX:
            hint = f"at most {DOCUMENTS_MAX} documents in one file: split it"
            return [refused(ViolationCode.TOO_LARGE, hint)]
    return verdicts or [_empty()]


def _parts(text: str) -> list[tuple[str, int]]:
    """Cut a stream where documents start; give the lines, from 1.

    A part that cannot be read then leaves the documents after it as they are. Directives and
    comments before the first document belong to it.
    """
    starts = [found.start() for found in _DOCUMENT_START.finditer(text)]
    if not starts or _NO_CONTENT.match(text, 0, starts[0]) is None:
        starts.insert(0, 0)
    else:
        starts[0] = 0
    parts, line = [], 1
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        part = text[start:end]
        parts.append((part, line))
        line += part.count("\n")
    return parts


def _read_part(part: str, line: int) -> list[Read | Refused]:
    size = len(part) if part.isascii() else len(part.encode("utf-8", "replace"))
    if size > DOCUMENT_BYTES_MAX:
        return [_too_large(size, line)]
    stripped = part.lstrip()
    if stripped[:1] in ("{", "["):
        verdicts = read_json_stream(part, line)
        if _JSON_MAPPING.match(stripped) or not _is_no_json(verdicts[0]):
            return verdicts
    return read_yaml_text(part, line)


def _is_no_json(verdict: Read | Refused) -> bool:
    return isinstance(verdict, Refused) and all(
        each.code == ViolationCode.INVALID_SYNTAX for each in verdict.violations
    )


def _decoded(body: bytes) -> str | Refused:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = body[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        is_wide = body[:2] in (b"\xff\xfe", b"\xfe\xff")
        found = "UTF-16" if is_wide else f"byte 0x{body[error.start]:02x}"
        hint = f"{place(line, column)}: {found} is no UTF-8: save the document as UTF-8"
        return refused(ViolationCode.INVALID_SYNTAX, hint)


def _empty() -> Refused:
    hint = "the document is empty: write at least project, name, kind and image"
    return refused(ViolationCode.EMPTY, hint)


def _too_large(size: int, line: int = 1) -> Refused:
    hint = (
        f"{size} bytes, and {DOCUMENT_BYTES_MAX} (512 KiB) are possible: put large data into a"
        " volume or an object store, and pass its place"
    )
    return refused(ViolationCode.TOO_LARGE, hint, line=line)
