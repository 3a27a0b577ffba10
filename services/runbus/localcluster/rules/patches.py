"""Merge patches (RFC 7386) and JSON patches (RFC 6902); for strategic merge see ``strategic.py``.

Pure: gives a new document that shares what did not change.
"""

from typing import Any

from runbus.localcluster.rules.errors import ApiError, bad_request

JsonObject = dict[str, Any]
_MAX_DEPTH = 64
_MAX_OPERATIONS = 10_000


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
        document = _apply_operation(document, each)
    return document


def _apply_operation(document: Any, each: Any) -> Any:
    if not isinstance(each, dict) or not isinstance(each.get("path"), str):
        raise _unprocessable()
    path = _pointer(each["path"])
    match each.get("op"):
        case "add" | "remove" | "replace" as op:
            return _changed(document, path, op, each.get("value"))
        case "test":
            if _at(document, path) != each.get("value"):
                raise _unprocessable()
            return document
        case "copy" | "move" as op:
            source = _pointer(str(each.get("from", "")))
            value = _at(document, source)
            if op == "move":
                document = _changed(document, source, "remove", None)
            return _changed(document, path, "add", value)
        case _:
            raise _unprocessable()


def _unprocessable() -> ApiError:
    """422 in Kubernetes' words, which do not say what is wrong."""
    return ApiError(
        422, "Invalid", "the server rejected our request due to an error in our request", {}
    )


def _pointer(text: str) -> list[str]:
    if not text.startswith("/"):  # the whole document cannot be named either
        raise _unprocessable()
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _at(document: Any, path: list[str]) -> Any:
    here = document
    for step in path:
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and step.isdigit() and int(step) < len(here):
            here = here[int(step)]
        else:
            raise _unprocessable()
    return here


def _changed(document: Any, path: list[str], op: str, value: Any) -> Any:
    step, rest = path[0], path[1:]
    if isinstance(document, dict):
        copy: Any = dict(document)
        if not rest and op == "add":
            copy[step] = value
        elif step not in copy:
            raise _unprocessable()
        elif not rest and op == "remove":
            del copy[step]
        elif not rest:
            copy[step] = value
        else:
            copy[step] = _changed(copy[step], rest, op, value)
        return copy
    if isinstance(document, list):
        return _changed_list(document, path, op, value)
    raise _unprocessable()


def _changed_list(document: list[Any], path: list[str], op: str, value: Any) -> list[Any]:
    step, rest = path[0], path[1:]
    copy = list(document)
    last = len(copy) if op == "add" and not rest else len(copy) - 1
    at = len(copy) if step == "-" and op == "add" and not rest else -1
    if step.isdigit():
        at = int(step)
    if not 0 <= at <= last:
        raise _unprocessable()
    if rest:
        copy[at] = _changed(copy[at], rest, op, value)
    elif op == "add":
        copy.insert(at, value)
    elif op == "remove":
        del copy[at]
    else:
        copy[at] = value
    return copy
