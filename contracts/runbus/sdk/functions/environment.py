"""Environment variables from Python's values, and from MLRun's and Kubernetes' references. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

from runbus.contracts.violations import NOT_SHOWN, ViolationCode, is_credential_name
from runbus.sdk.functions.kube_shapes import kube_value
from runbus.sdk.functions.refusals import refused

Entry = dict[str, Any]

# Kubernetes' names of a variable's sources, and the document's.
_SOURCES = {"secretKeyRef": "secret", "configMapKeyRef": "config_map"}
_OWN_SOURCES = frozenset({"secret", "config_map", "field"})


def env_entry(name: str, value: object = None, value_from: object = None) -> Entry:
    """Return one entry of `env`.

    Args:
        name: the variable's.
        value: text, or what `env_text` makes text of.
        value_from: Kubernetes' own reference as a mapping or an object of its Python clients, or
            the document's (`{"secret": {"name": …, "key": …}}`).

    Raises:
        RefusedSettingError: both, neither, or something that cannot be a value.

    """
    path = f"/env/{name}"
    if (value is None) == (value_from is None):
        hint = (
            "give value or value_from, not both"
            if value is not None
            else 'give a value ("" for an empty one), or value_from'
        )
        raise refused(path, hint, code=ViolationCode.NO_SOURCE)
    if value is not None:
        return {"name": name, "value": env_text(name, value)}
    return {"name": name, **_source(path, kube_value(value_from))}


def env_text(name: str, value: object) -> str:
    """Return a Python value as the text of a variable: numbers and booleans as `str` gives them.

    Raises:
        RefusedSettingError: of a list or mapping nobody knows how it should be written.

    """
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float | Decimal):
        return str(value)
    given = NOT_SHOWN if is_credential_name(name) else f"a Python {type(value).__name__}"
    hint = "write it as text yourself, such as json.dumps(value)"
    raise refused(
        f"/env/{name}/value",
        hint,
        given=given,
        allowed="text, a number, True or False",
        code=ViolationCode.WRONG_TYPE,
    )


def with_entry(entries: list[Entry], entry: Entry) -> list[Entry]:
    """Return entries with one more; one of the same name is replaced in its place."""
    replaced = [entry if each["name"] == entry["name"] else each for each in entries]
    return replaced if any(each is entry for each in replaced) else [*entries, entry]


def _source(path: str, given: object) -> Entry:
    if not isinstance(given, Mapping) or len(given) != 1:
        hint = "one source: secretKeyRef, configMapKeyRef or fieldRef, as Kubernetes has them"
        raise refused(path, hint, code=ViolationCode.SEVERAL_SOURCES)
    (key, reference), *_ = given.items()
    if key in _OWN_SOURCES:
        return {key: reference}
    if key in _SOURCES and isinstance(reference, Mapping):
        known = {name: text for name, text in reference.items() if name != "optional"}
        return {_SOURCES[key]: known}
    if key == "fieldRef" and isinstance(reference, Mapping) and "fieldPath" in reference:
        return {"field": reference["fieldPath"]}
    hint = "secretKeyRef, configMapKeyRef and fieldRef can be given"
    raise refused(path, hint, given=str(key), allowed=[*_SOURCES, "fieldRef"])
