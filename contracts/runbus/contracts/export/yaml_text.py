"""A small writer of YAML: mappings, lists and scalars in block style, always the same bytes.

It exists because contracts may need nothing but msgspec, and PyYAML folds and reorders. A text
is plain where every YAML reader takes it for text, otherwise in JSON's double quotes, which YAML
reads alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_INDENT = "  "
_PLAIN = re.compile(r"[$A-Za-z][-A-Za-z0-9_./$]*\Z")
# What may not stand in YAML as it is, or would be read as the end of a line.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
# YAML 1.1 reads these as booleans or null, and so do many readers still.
_NOT_TEXT = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def yaml_text(document: Mapping[str, Any]) -> str:
    """Return a document as YAML text, with a newline at its end."""
    return "\n".join(_mapping(document, "")) + "\n" if document else "{}\n"


def _mapping(mapping: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        yield from _entry(f"{indent}{_scalar(key)}:", value, indent + _INDENT)


def _sequence(items: Sequence[Any], indent: str) -> Iterator[str]:
    for item in items:
        if _is_block(item):
            # The first line of what the item holds stands on the dash's own line.
            lines = _block(item, indent + _INDENT)
            yield f"{indent}- {next(lines).removeprefix(indent + _INDENT)}"
            yield from lines
        else:
            yield f"{indent}- {_scalar(item)}"


def _entry(start: str, value: object, indent: str) -> Iterator[str]:
    if _is_block(value):
        yield start
        yield from _block(value, indent)
    else:
        yield f"{start} {_scalar(value)}"


def _is_block(value: object) -> bool:
    return isinstance(value, Mapping | list | tuple) and len(value) > 0


def _block(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        return _mapping(value, indent)
    return _sequence(value, indent)


def _scalar(value: object) -> str:
    match value:
        case Mapping():
            return "{}"
        case list() | tuple():
            return "[]"
        case str() if _PLAIN.match(value) and value.lower() not in _NOT_TEXT:
            return value
        case float():
            # Without a point, an exponent alone is text to some readers.
            mantissa, e, exponent = json.dumps(value).partition("e")
            return f"{mantissa}{'.0' if e and '.' not in mantissa else ''}{e}{exponent}"
        case _:
            text = json.dumps(value, ensure_ascii=False)
            return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
