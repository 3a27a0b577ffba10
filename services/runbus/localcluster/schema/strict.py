"""Fields that a kind does not have, or that say nothing: left out, as a kube-apiserver does. Pure.

Go writes no field that is null, and no list or map that is empty.
"""

from typing import Any

from runbus.localcluster.schema.types import Field, Types

JsonObject = dict[str, Any]
_KEPT = frozenset(("managedFields",))  # an empty one says that owners are to be forgotten
_EMPTY_TEXT = frozenset((("EnvVar", "value"),))
_MOST = 20  # unknown fields that are told of


def without_unknown(types: Types, name: str, obj: JsonObject) -> tuple[JsonObject, list[str]]:
    """The object with what it says by fields of its type, and the paths of unknown fields.

    Nothing is copied where nothing is left out.
    """
    unknown: list[str] = []
    return _known(types, name, obj, "", unknown), unknown[:_MOST]


def _known(types: Types, name: str, obj: JsonObject, path: str, unknown: list[str]) -> JsonObject:
    fields = types.get(name)
    if fields is None:
        return obj
    changed: JsonObject = {}
    gone: list[str] = []
    for key, value in obj.items():
        field = fields.get(key)
        if field is None:
            gone.append(key)
            unknown.append(f"{path}{key}")
        elif _says_nothing(name, key, field, value):
            gone.append(key)
        elif not field.is_plain and value:
            kept = _value(types, field, value, f"{path}{key}", unknown)
            if kept is not value:
                changed[key] = kept
    if not gone and not changed:
        return obj
    return {key: changed.get(key, value) for key, value in obj.items() if key not in gone}


def _says_nothing(name: str, key: str, field: Field, value: Any) -> bool:
    if value is None or (value == "" and (name, key) in _EMPTY_TEXT):
        return True
    empty = (field.is_list and value == []) or (field.is_map and value == {})
    return empty and key not in _KEPT


def _value(types: Types, field: Field, value: Any, path: str, unknown: list[str]) -> Any:
    if field.is_list and isinstance(value, list):
        kept = [
            _known(types, field.type, each, f"{path}[{i}].", unknown)
            if isinstance(each, dict)
            else each
            for i, each in enumerate(value)
        ]
        same = all(new is old for new, old in zip(kept, value, strict=True))
        return value if same else kept
    if field.is_map and isinstance(value, dict):
        held = {
            key: _known(types, field.type, each, f"{path}.{key}.", unknown)
            if isinstance(each, dict)
            else each
            for key, each in value.items()
        }
        return value if all(held[key] is value[key] for key in value) else held
    if not field.is_list and not field.is_map and isinstance(value, dict):
        return _known(types, field.type, value, f"{path}.", unknown)
    return value
