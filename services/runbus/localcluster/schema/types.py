"""Reads ``types.json``: the types of the API by name, each with its fields."""

import functools
import pathlib
from collections.abc import Mapping

import msgspec

_PATH = pathlib.Path(__file__).with_name("types.json")
PLAIN = frozenset(("string", "integer", "number", "boolean", "time", "any"))


class Field(msgspec.Struct, frozen=True):
    """One field: the type of its value or of each element, and how the value holds them."""

    type: str
    is_list: bool = False
    is_map: bool = False
    required: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it holds no type with fields of its own."""
        return self.type in PLAIN


Fields = Mapping[str, Field]
Types = Mapping[str, Fields]


@functools.cache
def load_types() -> Types:
    """All types, read once."""
    raw = msgspec.json.decode(_PATH.read_bytes(), type=dict[str, dict[str, str]])
    return {
        name: {field: _field(text) for field, text in fields.items()}
        for name, fields in raw.items()
    }


def _field(text: str) -> Field:
    required = text.endswith("!")
    kind = text.removesuffix("!")
    is_list, is_map = kind.startswith("[]"), kind.startswith("map ")
    return Field(kind.removeprefix("[]").removeprefix("map "), is_list, is_map, required)
