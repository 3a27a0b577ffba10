"""OpenAPI v3 documents of what is served: kinds with their fields, and their operations. Pure.

kubectl reads from them whether the server checks fields itself (``fieldValidation``), by which
key lists are merged, and what ``kubectl explain`` shows. They say names and types; for what a
field means see the documentation of Kubernetes.
"""

from typing import Any

from runbus.localcluster.rules.resources import GROUP_VERSIONS, RESOURCES, Resource
from runbus.localcluster.rules.strategic import MERGE_KEYS, PRIMITIVE_MERGE
from runbus.localcluster.schema.types import Field, Types

JsonObject = dict[str, Any]
INDEX = "/openapi/v3"
_FORMATS: dict[str, JsonObject] = {
    "string": {"type": "string"},
    "integer": {"type": "integer", "format": "int64"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "time": {"type": "string", "format": "date-time"},
    "any": {},
}
_VERBS = (("get", "get"), ("put", "put"), ("patch", "patch"), ("delete", "delete"))
_CHECKED = frozenset(("post", "put", "patch"))


def index() -> JsonObject:
    """Where the document of each group version is."""
    names = (
        f"apis/{group}/{version}" if group else f"api/{version}"
        for group, version in GROUP_VERSIONS
    )
    return {"paths": {each: {"serverRelativeURL": f"{INDEX}/{each}"} for each in names}}


def document(types: Types, path: str) -> JsonObject | None:
    """The document at a path such as ``/openapi/v3/api/v1``; None where there is none."""
    for group, version in GROUP_VERSIONS:
        prefix = f"apis/{group}/{version}" if group else f"api/{version}"
        if path.rstrip("/") == f"{INDEX}/{prefix}":
            return _document(types, group, version, f"/{prefix}")
    return None


def _document(types: Types, group: str, version: str, prefix: str) -> JsonObject:
    served = [each for each in RESOURCES if (each.group, each.version) == (group, version)]
    paths: JsonObject = {}
    schemas: JsonObject = {}
    extensions = _merge_extensions(types)
    for resource in served:
        _add_schema(types, resource.kind, schemas, extensions)
        kind = {"group": group, "version": version, "kind": resource.kind}
        schemas[_name(resource.kind)]["x-kubernetes-group-version-kind"] = [kind]
        base = f"{prefix}/namespaces/{{namespace}}" if resource.namespaced else prefix
        paths[f"{base}/{resource.plural}"] = {
            "get": _operation(resource, "list"),
            "post": _operation(resource, "post"),
        }
        paths[f"{base}/{resource.plural}/{{name}}"] = {
            verb: _operation(resource, action) for verb, action in _VERBS
        }
    return {
        "openapi": "3.0.0",
        "info": {"title": "runbus local cluster", "version": "v1.32.0"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _name(type_name: str) -> str:
    """Tools show what stands behind the last dot."""
    return f"io.k8s.{type_name}"


def _operation(resource: Resource, action: str) -> JsonObject:
    shown: JsonObject = {
        "operationId": f"{action}{resource.kind}",
        "responses": {
            "200": {
                "description": "OK",
                "content": {"application/json": {"schema": _reference(resource.kind)}},
            }
        },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "version": resource.version,
            "kind": resource.kind,
        },
    }
    if action in _CHECKED:
        names = ("dryRun", "fieldManager", "fieldValidation")
        shown["parameters"] = [
            {"name": name, "in": "query", "schema": {"type": "string"}} for name in names
        ]
    return shown


def _reference(type_name: str) -> JsonObject:
    return {"$ref": f"#/components/schemas/{_name(type_name)}"}


def _add_schema(
    types: Types, name: str, schemas: JsonObject, extensions: dict[tuple[str, str], JsonObject]
) -> None:
    """Add a type and all that it leads to."""
    if _name(name) in schemas:
        return
    fields = types[name]
    schema: JsonObject = {"type": "object", "description": ""}
    schemas[_name(name)] = schema
    schema["properties"] = {
        key: {**_property(field), **extensions.get((name, key), {})}
        for key, field in fields.items()
    }
    required = [key for key, field in fields.items() if field.required]
    if required:
        schema["required"] = required
    for field in fields.values():
        if not field.is_plain:
            _add_schema(types, field.type, schemas, extensions)


def _property(field: Field) -> JsonObject:
    # a reference may not stand beside other keys: wrapped, as in Kubernetes' own documents
    value = dict(_FORMATS[field.type]) if field.is_plain else _reference(field.type)
    if field.is_list:
        return {"description": "", "type": "array", "items": value}
    if field.is_map:
        return {"description": "", "type": "object", "additionalProperties": value}
    return {"description": "", **value} if field.is_plain else {"allOf": [value], "description": ""}


def _merge_extensions(types: Types) -> dict[tuple[str, str], JsonObject]:
    """The lists that strategic merge patches merge, by type and field."""
    found: dict[tuple[str, str], JsonObject] = {}
    for root in ("Pod", "Node", "ServiceAccount"):
        for path, key in MERGE_KEYS.items():
            owner = _owner(types, root, path)
            if owner is not None:
                found[owner] = {
                    "x-kubernetes-patch-strategy": "merge",
                    "x-kubernetes-patch-merge-key": key,
                }
        for path in PRIMITIVE_MERGE:
            owner = _owner(types, root, path)
            if owner is not None:
                found[owner] = {"x-kubernetes-patch-strategy": "merge"}
    return found


def _owner(types: Types, root: str, path: str) -> tuple[str, str] | None:
    """The type and field that a path below a kind names."""
    *way, last = [each for each in path.split(".") if each != "*"]
    here = root
    for step in way:
        field = types[here].get(step)
        if field is None or field.is_plain:
            return None
        here = field.type
    return (here, last) if last in types[here] else None
