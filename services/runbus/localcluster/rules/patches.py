"""The three patch formats: merge (RFC 7386), JSON patch (RFC 6902), strategic merge.

Pure: gives a new document that shares what did not change. Strategic merge knows the lists of
pods, nodes and their statuses by their merge keys (k8s.io/api, patchMergeKey); every other list
is replaced whole.
"""

from typing import Any

from runbus.localcluster.rules.errors import ApiError, bad_request

JsonObject = dict[str, Any]
_MAX_DEPTH = 64
_MAX_OPERATIONS = 10_000

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
    "spec.schedulingGates": "name",
    "spec.hostAliases": "ip",
    "spec.containers.*.env": "name",
    "spec.containers.*.ports": "containerPort",
    "spec.containers.*.volumeMounts": "mountPath",
    "spec.containers.*.volumeDevices": "devicePath",
    "spec.initContainers.*.env": "name",
    "spec.initContainers.*.ports": "containerPort",
    "spec.initContainers.*.volumeMounts": "mountPath",
    "spec.ephemeralContainers.*.env": "name",
    "spec.ephemeralContainers.*.volumeMounts": "mountPath",
    "spec.topologySpreadConstraints": "topologyKey",
    "metadata.ownerReferences": "uid",
    "secrets": "name",
    "imagePullSecrets": "name",
}
PRIMITIVE_MERGE = {"metadata.finalizers"}


def merge_patch(target: Any, patch: Any, depth: int = 0) -> Any:
    """Apply RFC 7386: null deletes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    if depth > _MAX_DEPTH:
        raise bad_request(f"the patch is nested deeper than {_MAX_DEPTH} levels")
    merged: JsonObject = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = merge_patch(merged.get(key), value, depth + 1)
        else:
            merged[key] = value
    return merged


def strategic_merge_patch(target: Any, patch: Any, path: str = "") -> Any:
    """Apply a strategic merge patch with ``$patch: delete|replace`` and the known merge keys."""
    if not isinstance(patch, dict):
        return patch
    if path.count(".") > _MAX_DEPTH:
        raise bad_request(f"the patch is nested deeper than {_MAX_DEPTH} levels")
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    merged: JsonObject = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if key.startswith("$"):
            _apply_directive(merged, key, value)
            continue
        here = f"{path}.{key}" if path else key
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, list):
            merged[key] = _merge_list(merged.get(key), value, here)
        else:
            merged[key] = strategic_merge_patch(merged.get(key), value, here)
    return merged


def _apply_directive(merged: JsonObject, key: str, value: Any) -> None:
    name, slash, field = key.partition("/")
    if name == "$deleteFromPrimitiveList" and slash and isinstance(value, list):
        left = [each for each in merged.get(field) or [] if each not in value]
        merged[field] = left
    elif name == "$retainKeys" and isinstance(value, list):
        for gone in [each for each in merged if each not in value]:
            del merged[gone]
    elif name != "$setElementOrder":
        raise bad_request(f'unknown directive "{key}" in a strategic merge patch')


def _merge_list(old: Any, patch: list[Any], path: str) -> list[Any]:
    before: list[Any] = old if isinstance(old, list) else []
    if path in PRIMITIVE_MERGE:
        return [*before, *(each for each in patch if each not in before)]
    key = MERGE_KEYS.get(path)
    if key is None:
        return patch
    if any(isinstance(each, dict) and each.get("$patch") == "replace" for each in patch):
        return [each for each in patch if not (isinstance(each, dict) and "$patch" in each)]
    result = list(before)
    for element in patch:
        if not isinstance(element, dict) or key not in element:
            raise bad_request(f"map: {element} does not contain declared merge key: {key}")
        at = next(
            (i for i, each in enumerate(result) if each.get(key) == element[key]), len(result)
        )
        if element.get("$patch") == "delete":
            del result[at : at + 1]
            continue
        base = result[at] if at < len(result) else None
        result[at : at + 1] = [strategic_merge_patch(base, element, f"{path}.*")]
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """Apply RFC 6902; a failing ``test`` or a missing path is 422, as a kube-apiserver says."""
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    if len(operations) > _MAX_OPERATIONS:
        raise ApiError(
            413,
            "RequestEntityTooLarge",
            f"The allowed maximum operations in a JSON patch is {_MAX_OPERATIONS}, "
            f"got {len(operations)}",
        )
    document = target
    for each in operations:
        if not isinstance(each, dict) or not isinstance(each.get("path"), str):
            raise bad_request(f"not a JSON patch operation: {each}")
        document = _apply_operation(document, each)
    return document


def _apply_operation(document: Any, each: JsonObject) -> Any:
    path = _pointer(each["path"])
    match each.get("op"):
        case "add":
            return _changed(document, path, "add", each.get("value"))
        case "remove":
            return _changed(document, path, "remove", None)
        case "replace":
            return _changed(document, path, "replace", each.get("value"))
        case "test":
            if _at(document, path) != each.get("value"):
                raise _unprocessable(f"testing value {each['path']} failed: test failed")
            return document
        case "copy" | "move" as op:
            source = _pointer(str(each.get("from", "")))
            value = _at(document, source)
            if op == "move":
                document = _changed(document, source, "remove", None)
            return _changed(document, path, "add", value)
        case other:
            raise bad_request(f'Unexpected kind: "{other}" in a JSON patch')


def _unprocessable(message: str) -> ApiError:
    details = {"causes": [{"reason": "UnexpectedServerResponse", "message": message}]}
    return ApiError(422, "Invalid", f"the server rejected our request: {message}", details)


def _pointer(text: str) -> list[str]:
    if text == "":
        return []
    if not text.startswith("/"):
        raise bad_request(f'not a JSON pointer: "{text}" (it starts with "/")')
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _at(document: Any, path: list[str]) -> Any:
    here = document
    for step in path:
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and step.isdigit() and int(step) < len(here):
            here = here[int(step)]
        else:
            raise _unprocessable(f"path /{'/'.join(path)} does not exist: missing path")
    return here


def _changed(document: Any, path: list[str], op: str, value: Any) -> Any:
    if not path:
        return None if op == "remove" else value
    step, rest = path[0], path[1:]
    if isinstance(document, dict):
        copy: Any = dict(document)
        if not rest and op == "add":
            copy[step] = value
        elif step not in copy:
            raise _unprocessable(f'{op} operation does not apply: no "{step}": missing path')
        elif not rest and op == "remove":
            del copy[step]
        else:
            copy[step] = _changed(copy[step], rest, op, value)
        return copy
    if isinstance(document, list):
        return _changed_list(document, path, op, value)
    raise _unprocessable(f'{op} operation does not apply: nothing at "{step}": missing path')


def _changed_list(document: list[Any], path: list[str], op: str, value: Any) -> list[Any]:
    step, rest = path[0], path[1:]
    copy = list(document)
    last = len(copy) if op == "add" and not rest else len(copy) - 1
    at = len(copy) if step == "-" and op == "add" and not rest else -1
    if step.isdigit():
        at = int(step)
    if not 0 <= at <= last:
        raise _unprocessable(f"{op} operation does not apply: invalid index {step}")
    if rest:
        copy[at] = _changed(copy[at], rest, op, value)
    elif op == "add":
        copy.insert(at, value)
    elif op == "remove":
        del copy[at]
    else:
        copy[at] = value
    return copy
