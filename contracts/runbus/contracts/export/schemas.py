"""JSON Schemas (Draft 2020-12) of the published bodies, one self-contained document each.

msgspec derives them from the Structs; two things are said here that Structs cannot say. Enums of
messages are open, because a later release may add members and a reader must not refuse them. The
run document as users write it is closed: unknown keys, unknown members and nulls that the
settings refuse are refused by its schema too. Must not know files.
"""

from __future__ import annotations

from collections.abc import Iterable
from inspect import cleandoc
from typing import Any

import msgspec
from msgspec import Struct, inspect

from runbus.contracts.export.published import Body

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ADDRESS = "https://runbus.dev/schemas/v1"
GENERATED = "generated from the contracts: change those, then run `make contracts`"
FALLBACK = "unknown"  # how readers call a member that they do not know; nobody writes it
REQUIRED_OF_A_DOCUMENT = ("project", "name", "kind")


def schema_file_name(name: str) -> str:
    """Return the name of a body's schema file, the last part of its `$id`."""
    return f"{name}.schema.json"


def schema_of(body: Body) -> Schema:
    """Return the schema of one body as a document of its own."""
    definitions = components([body.struct], "#/$defs/{name}")
    if body.is_input:
        definitions = _closed(definitions, body.struct)
    root = definitions.pop(body.struct.__name__)
    return {
        "$schema": DIALECT,
        "$id": f"{ADDRESS}/{schema_file_name(body.name)}",
        "$comment": GENERATED,
        **root,
        **({"$defs": definitions} if definitions else {}),
    }


def components(structs: Iterable[type[Struct]], ref_template: str) -> dict[str, Schema]:
    """Return the schemas of some Structs and of all they hold, by name, with open enums."""
    _, found = msgspec.json.schema_components(structs, ref_template=ref_template)
    return {name: _with_open_enum(_with_clean_text(found[name])) for name in sorted(found)}


def _with_clean_text(schema: Schema) -> Schema:
    """Take the indentation out of a docstring: Python does so itself only from 3.13 on."""
    if "description" not in schema:
        return schema
    return {**schema, "description": cleandoc(schema["description"])}


def _with_open_enum(schema: Schema) -> Schema:
    if FALLBACK not in schema.get("enum", ()):
        return schema
    members = [member for member in schema["enum"] if member != FALLBACK]
    rest = {key: value for key, value in schema.items() if key != "enum"}
    return {**rest, "anyOf": [{"enum": members}, _LATER]}


_LATER: Schema = {
    "type": "string",
    "description": "later releases may add members; read one that you do not know as unknown",
}


def _closed(definitions: dict[str, Schema], root: type[Struct]) -> dict[str, Schema]:
    """Return schemas that refuse what the settings refuse: unknown keys, members and nulls."""
    fields = _fields(inspect.type_info(root), {})
    closed = {}
    for name, schema in definitions.items():
        if "properties" in schema:
            properties = {
                key: _without_null(value) if _refuses_null(fields[name][key]) else value
                for key, value in schema["properties"].items()
            }
            schema = {**schema, "properties": properties, "additionalProperties": False}
        elif _LATER in schema.get("anyOf", ()):
            rest = {key: value for key, value in schema.items() if key != "anyOf"}
            schema = {**rest, "enum": schema["anyOf"][0]["enum"]}
        closed[name] = schema
    document = closed[root.__name__]
    required = {key: _without_null(document["properties"][key]) for key in REQUIRED_OF_A_DOCUMENT}
    closed[root.__name__] = {
        **document,
        "properties": {**document["properties"], **required},
        "required": list(REQUIRED_OF_A_DOCUMENT),
    }
    return closed


def _refuses_null(field: inspect.Field) -> bool:
    """Say whether the settings refuse a null here, where elsewhere it means "not given"."""
    metadata = field.type
    extra = metadata.extra if isinstance(metadata, inspect.Metadata) else None
    return (extra or {}).get("null") is False


def _without_null(schema: Schema) -> Schema:
    choices = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**rest, **choices[0]} if len(choices) == 1 else {**rest, "anyOf": choices}


def _fields(
    found_type: inspect.Type, found: dict[str, dict[str, inspect.Field]]
) -> dict[str, dict[str, inspect.Field]]:
    """Return the fields of a Struct and of all it holds, by the names of Struct and field."""
    match found_type:
        case inspect.Metadata(type=inner):
            _fields(inner, found)
        case inspect.UnionType(types=types):
            for inner in types:
                _fields(inner, found)
        case inspect.DictType(value_type=inner):
            _fields(inner, found)
        case inspect.CollectionType(item_type=inner):
            _fields(inner, found)
        case inspect.StructType(cls=struct, fields=fields) if struct.__name__ not in found:
            found[struct.__name__] = {field.encode_name: field for field in fields}
            for field in fields:
                _fields(field.type, found)
        case _:
            pass
    return found
