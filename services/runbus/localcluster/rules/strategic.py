"""Strategic merge patches: lists are merged by keys, and the order of their elements is kept.

Rules: k8s.io/apimachinery/pkg/util/strategicpatch. Knows the lists of the served kinds by their
merge keys (k8s.io/api, patchMergeKey); every other list is replaced whole. Pure: gives a new
document that shares what did not change.
"""

from collections.abc import Callable
from typing import Any

from runbus.localcluster.rules.errors import bad_request

JsonObject = dict[str, Any]
_MAX_DEPTH = 64
_ORDER, _DELETE = "$setElementOrder/", "$deleteFromPrimitiveList/"
_RETAIN, _PATCH = "$retainKeys", "$patch"

# public: told in the OpenAPI documents, by which kubectl makes its patches
# path below the object's root ("*" is any list element) -> merge key
MERGE_KEYS = {
    "status.conditions": "type",
    "status.addresses": "type",
    "status.podIPs": "ip",
    "status.hostIPs": "ip",
    "spec.containers": "name",
    "spec.initContainers": "name",
    "spec.ephemeralContainers": "name",
    "spec.volumes": "name",
    "spec.imagePullSecrets": "name",
    "spec.resourceClaims": "name",
    "spec.schedulingGates": "name",
    "spec.hostAliases": "ip",
    "spec.containers.*.env": "name",
    "spec.containers.*.ports": "containerPort",
    "spec.containers.*.volumeMounts": "mountPath",
    "spec.containers.*.volumeDevices": "devicePath",
    "spec.initContainers.*.env": "name",
    "spec.initContainers.*.ports": "containerPort",
    "spec.initContainers.*.volumeMounts": "mountPath",
    "spec.initContainers.*.volumeDevices": "devicePath",
    "spec.ephemeralContainers.*.env": "name",
    "spec.ephemeralContainers.*.volumeMounts": "mountPath",
    "spec.topologySpreadConstraints": "topologyKey",
    "metadata.ownerReferences": "uid",
    "secrets": "name",
}
PRIMITIVE_MERGE = {"metadata.finalizers"}


def strategic_merge_patch(target: Any, patch: Any) -> Any:
    """Apply a strategic merge patch; 400 where it contradicts itself."""
    if not isinstance(patch, dict):
        kind = "array" if isinstance(patch, list) else type(patch).__name__
        kind = {"str": "string", "int": "number", "float": "number"}.get(kind, kind)
        raise bad_request(
            f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        )
    return _merge_map(target if isinstance(target, dict) else {}, patch, "")


def _merge_map(original: JsonObject, patch: JsonObject, path: str) -> JsonObject:
    if path.count(".") > _MAX_DEPTH:
        raise bad_request(f"the patch is nested deeper than {_MAX_DEPTH} levels")
    match patch.get(_PATCH):
        case None:
            merged = _retained(original, patch)
        case "replace":
            return {key: value for key, value in patch.items() if key != _PATCH}
        case "delete":
            return {}
        case other:
            raise bad_request(f"unknown patch type: {other} in map: {_go(patch)}")
    done = {
        key.removeprefix(_ORDER): _order(merged, patch, key, path)
        for key in patch
        if key.startswith(_ORDER)
    }
    merged.update({field: items for field, items in done.items() if items is not None})
    for key, value in patch.items():
        if key.startswith(_DELETE):
            field = key.removeprefix(_DELETE)
            if isinstance(merged.get(field), list) and isinstance(value, list):
                merged[field] = [each for each in merged[field] if each not in value]
        elif key not in done and key != _RETAIN and not key.startswith(_ORDER):
            _set(merged, key, value, f"{path}.{key}" if path else key)
    return merged


def _set(merged: JsonObject, key: str, value: Any, path: str) -> None:
    before = merged.get(key)
    if value is None:
        merged.pop(key, None)
    elif isinstance(before, dict) and isinstance(value, dict):
        merged[key] = _merge_map(before, value, path)
    elif isinstance(before, list) and isinstance(value, list):
        merged[key] = _merge_list(before, value, path)
    else:
        merged[key] = _undirected(value, path)


def _undirected(value: Any, path: str) -> Any:
    """What a patch adds where nothing was: itself, without its directives."""
    if isinstance(value, dict):
        return _merge_map({}, value, path)
    if isinstance(value, list):
        return _merge_list([], value, path)
    return value


def _retained(original: JsonObject, patch: JsonObject) -> JsonObject:
    retained = patch.get(_RETAIN)
    if retained is None:
        return dict(original)
    others = [key for key in patch if not key.startswith("$") and patch[key] is not None]
    if not isinstance(retained, list) or any(key not in retained for key in others):
        raise bad_request("invalid patch format of retainKeys")
    return {key: value for key, value in original.items() if key in retained}


def _order(merged: JsonObject, patch: JsonObject, key: str, path: str) -> list[Any] | None:
    """The list that an order is given for, merged and in that order; None: there is none."""
    order, field = patch[key], key.removeprefix(_ORDER)
    if not isinstance(order, list):
        raise bad_request("invalid patch format of setElementOrder list")
    before, given = merged.get(field), patch.get(field)
    if not isinstance(before, list) and not isinstance(given, list):
        return None
    here = f"{path}.{field}" if path else field
    identity = _identity(here)
    items = given if isinstance(given, list) else []
    _check_order(items, order, identity)
    kept = before if isinstance(before, list) else []
    return _in_order(_merge_list(kept, items, here) if items else kept, order, kept, identity)


def _check_order(items: list[Any], order: list[Any], identity: Callable[[Any], Any]) -> None:
    """Refuse elements that the order does not name, or names in another one."""
    places = iter(order)
    for each in items:
        if isinstance(each, dict) and _PATCH in each:
            continue
        if not any(identity(place) == identity(each) for place in places):
            raise bad_request(
                f"The order in patch list:\n{_go(items)}\n doesn't match $setElementOrder list:\n"
                f"{_go(order)}\n"
            )


def _identity(path: str) -> Callable[[Any], Any]:
    key = MERGE_KEYS.get(path)

    def of(element: Any) -> Any:
        if key is not None and (not isinstance(element, dict) or key not in element):
            raise bad_request(f"map: {_go(element)} does not contain declared merge key: {key}")
        found = element if key is None else element[key]
        if isinstance(found, dict | list):
            raise bad_request(f"{_go(found)} in a list at {path} is no plain value")
        return found

    return of


def _merge_list(before: list[Any], patch: list[Any], path: str) -> list[Any]:
    identity = _identity(path)
    if path in PRIMITIVE_MERGE:
        merged = list({identity(each): None for each in [*before, *patch]})
        return _in_order(merged, patch, before, identity)
    if path not in MERGE_KEYS:
        return patch
    special = [each for each in patch if isinstance(each, dict) and _PATCH in each]
    patch = [each for each in patch if not (isinstance(each, dict) and _PATCH in each)]
    if any(each[_PATCH] == "replace" for each in special):
        return patch
    gone = [identity(each) for each in special if each[_PATCH] == "delete"]
    kept = [each for each in before if identity(each) not in gone]
    merged = list(kept)
    places = {identity(each): i for i, each in enumerate(merged)}
    for each in patch:
        at = places.setdefault(identity(each), len(merged))
        base = merged[at] if at < len(merged) else {}
        merged[at : at + 1] = [_merge_map(base, each, f"{path}.*")]
    return _in_order(merged, patch, kept, identity)


def _in_order(
    merged: list[Any], wanted: list[Any], before: list[Any], identity: Callable[[Any], Any]
) -> list[Any]:
    """Elements of the patch in its order; the others stay before what they stood before."""
    asked = [identity(each) for each in wanted]
    stood = [identity(each) for each in before]
    left = [each for each in merged if identity(each) not in asked]
    left.sort(key=lambda each: stood.index(identity(each)))
    right = [each for each in merged if identity(each) in asked]
    right.sort(key=lambda each: asked.index(identity(each)))
    found: list[Any] = []
    while left and right:
        ours, theirs = identity(left[0]), identity(right[0])
        first = theirs in stood and stood.index(ours) < stood.index(theirs)
        found.append(left.pop(0) if first else right.pop(0))
    return [*found, *left, *right]


def _go(value: Any) -> str:
    """A value as Go's ``%v`` writes it."""
    if isinstance(value, dict):
        inner = " ".join(f"{key}:{_go(value[key])}" for key in sorted(value))
        return f"map[{inner}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_go, value))}]"
    return {True: "true", False: "false", None: "<nil>"}.get(value, str(value))
