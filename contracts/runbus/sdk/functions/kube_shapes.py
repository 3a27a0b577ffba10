"""Kubernetes' shapes as plain values: mappings as they are, objects of its Python clients as JSON.

The clients are recognised by what their objects have, and never imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def kube_value(given: object) -> Any:
    """Return a value of Kubernetes' API as plain JSON values with camelCase keys.

    Takes mappings and lists, objects of `kubernetes` and `kubernetes_asyncio`, and whatever has a
    `to_dict` that gives Kubernetes' own keys, such as those of lightkube.
    """
    names = getattr(given, "attribute_map", None)
    if isinstance(names, Mapping):
        return _without_none({names[each]: getattr(given, each) for each in names})
    if isinstance(given, Mapping):
        return _without_none(given)
    if isinstance(given, list | tuple):
        return [kube_value(each) for each in given]
    to_dict = getattr(given, "to_dict", None)
    return kube_value(to_dict()) if callable(to_dict) else given


def kube_list(given: object) -> list[Any]:
    """Return a list of such values; a single one is a list of one."""
    return (
        [kube_value(each) for each in given]
        if isinstance(given, list | tuple)
        else [kube_value(given)]
    )


def _without_none(mapping: Mapping[Any, object]) -> dict[Any, Any]:
    return {key: kube_value(value) for key, value in mapping.items() if value is not None}
