"""Writes ``types.json``: run it after the Kubernetes client library was updated.

Takes field names and types from the library's models, nothing else; needs that library, which
nothing else in this package does.
"""

import inspect
import json
import pathlib
import re
from typing import Any

PATH = pathlib.Path(__file__).with_name("types.json")
_ROOTS = (
    "CoreV1Event",
    "V1Binding",
    "V1ConfigMap",
    "V1Eviction",
    "V1Lease",
    "V1LimitRange",
    "V1Namespace",
    "V1Node",
    "V1PersistentVolumeClaim",
    "V1Pod",
    "V1PodDisruptionBudget",
    "V1PriorityClass",
    "V1ResourceQuota",
    "V1Secret",
    "V1SelfSubjectAccessReview",
    "V1Service",
    "V1ServiceAccount",
)
_PLAIN = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "datetime": "time",
    "object": "any",
}
_LIST = re.compile(r"list\[(.*)\]")
_MAP = re.compile(r"dict\(str, (.*)\)")


def types() -> dict[str, dict[str, str]]:
    """Every type that a root leads to: JSON field name to type; "!" marks what must be there."""
    from kubernetes_asyncio.client import models

    found: dict[str, dict[str, str]] = {}
    models_of: dict[str, str] = {}
    waiting = list(_ROOTS)
    while waiting:
        name = waiting.pop()
        if models_of.setdefault(_short(name), name) != name:
            raise ValueError(f"{name} and {models_of[_short(name)]} would have one name")
        if _short(name) in found:
            continue
        model = getattr(models, name)
        found[_short(name)] = {
            model.attribute_map[field]: _type(kind) + ("!" if _required(model, field) else "")
            for field, kind in model.openapi_types.items()
        }
        for kind in model.openapi_types.values():
            waiting += [each for each in re.findall(r"\w+", kind) if hasattr(models, each)]
    return {name: dict(sorted(fields.items())) for name, fields in sorted(found.items())}


def _short(model: str) -> str:
    """``V1Pod`` and ``CoreV1Event`` are Pod and Event."""
    return re.sub(r"^(Core)?V1", "", model)


def _type(kind: str) -> str:
    if match := _LIST.fullmatch(kind):
        return f"[]{_type(match.group(1))}"
    if match := _MAP.fullmatch(kind):
        return f"map {_type(match.group(1))}"
    return _PLAIN.get(kind) or _short(kind)


def _required(model: Any, field: str) -> bool:
    return "must not be `None`" in inspect.getsource(getattr(model, field).fset)


def text() -> str:
    """The file, one type a line."""
    lines = [f"{json.dumps(name)}: {json.dumps(fields)}" for name, fields in types().items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    PATH.write_text(text())
