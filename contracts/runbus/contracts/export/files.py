"""Which files the contracts are published as, and what differs from those that are there.

Pure: texts in, texts and names out. `__main__` reads and writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from runbus.contracts.export.asyncapi import asyncapi_document
from runbus.contracts.export.published import BODIES
from runbus.contracts.export.schemas import GENERATED, schema_file_name, schema_of
from runbus.contracts.export.yaml_text import yaml_text

ASYNCAPI = "asyncapi.yaml"
SCHEMAS = "schemas/v1"


def expected_files() -> dict[str, str]:
    """Return the text of every generated file by its path below `contracts/`."""
    files = {
        f"{SCHEMAS}/{schema_file_name(body.name)}": _json_text(schema_of(body)) for body in BODIES
    }
    return {**files, ASYNCAPI: f"# {GENERATED}\n{yaml_text(asyncapi_document())}"}


def is_generated(path: str) -> bool:
    """Say whether a path below `contracts/` belongs to the generated files."""
    return path == ASYNCAPI or (path.startswith("schemas/") and path.endswith(".schema.json"))


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Return one line for each file that is stale, missing or surplus; empty where all is well."""
    lines = []
    for path in sorted(expected.keys() | found.keys()):
        if path not in found:
            lines.append(f"missing: {path}")
        elif path not in expected:
            lines.append(f"surplus: {path}")
        elif expected[path] != found[path]:
            lines.append(f"stale: {path}")
    return lines


def _json_text(schema: Mapping[str, object]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
