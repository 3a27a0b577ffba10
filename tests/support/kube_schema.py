"""Kubernetes' OpenAPI as a strict check: a field that an API server would prune is an error.

The definitions stand in the shared test data; they say nothing about unknown fields, so that here
each object with properties is closed.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from support.documents import data_folder

POD = "io.k8s.api.core.v1.Pod"
# Written as text and as a number by clients; the definitions leave the choice open.
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"


def schema_errors(manifest: object, definition: str = POD) -> list[str]:
    """Return what a strict API server would say of an object, empty where it is right."""
    folder = data_folder("crds/k8s")
    validator = _validator(folder / "openapi-core-subset.json", definition)
    return sorted(
        f"{error.json_path}: {error.message}" for error in validator.iter_errors(manifest)
    )


@cache
def _validator(path: Path, definition: str) -> Draft202012Validator:
    definitions = json.loads(path.read_text(encoding="utf-8"))["definitions"]
    closed = {name: _closed(each) for name, each in definitions.items()}
    closed[_QUANTITY] = {"type": "string"}
    schema = {"$ref": f"#/definitions/{definition}", "definitions": closed}
    return Draft202012Validator(schema)


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        inner.setdefault("additionalProperties", False)
    return inner
