"""What the query string and the body of a request ask for. Pure: text in, values or 400 out."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from runbus.localcluster.rules.deletion import DeleteOptions
from runbus.localcluster.rules.errors import ApiError, bad_request, unsupported_media_type
from runbus.localcluster.rules.patches import json_patch, merge_patch, strategic_merge_patch
from runbus.localcluster.rules.resources import Target
from runbus.localcluster.rules.selectors import (
    Selector,
    parse_field_selector,
    parse_label_selector,
)

JsonObject = dict[str, Any]
Query = Mapping[str, str]
_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("", "0", "f", "F", "false", "FALSE", "False"))
_PATCHES: dict[str, Callable[[Any, Any], Any]] = {
    "application/merge-patch+json": merge_patch,
    "application/strategic-merge-patch+json": strategic_merge_patch,
    "application/json-patch+json": json_patch,
}


class WatchOptions(msgspec.Struct, frozen=True):
    """How to watch: None for ``version`` means "the state now, then changes"."""

    selector: Selector
    version: int | None
    bookmarks: bool
    timeout_s: int | None
    initial_events: bool | None


def flag(query: Query, name: str) -> bool:
    """Read a boolean parameter as Go does; 400 where it is none."""
    value = query.get(name, "")
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise bad_request(f'invalid value for parameter "{name}": "{value}" is not a boolean')


def whole_number(query: Query, name: str) -> int | None:
    """Read a number that is not negative; None where it is not given, 400 where it is none."""
    value = query.get(name, "")
    if not value:
        return None
    if not value.isascii() or not value.isdigit():
        raise bad_request(f'invalid value for parameter "{name}": "{value}" is not a number')
    return int(value)


def resource_version(query: Query) -> int | None:
    """Read ``resourceVersion``: None for unset and 0 (any state will do)."""
    value = query.get("resourceVersion", "")
    if not value.isdigit() and value:
        raise ApiError(400, "BadRequest", f'invalid resource version: "{value}"')
    return int(value) or None if value else None


def selector(query: Query, target: Target) -> Selector:
    """Read both selectors; a name in the path of a watch is a field selector."""
    fields = query.get("fieldSelector", "")
    if target.name:
        fields = f"metadata.name={target.name}" + (f",{fields}" if fields else "")
    return Selector(
        target.namespace,
        parse_label_selector(query.get("labelSelector", "")),
        parse_field_selector(fields, target.resource),
    )


def watch_options(query: Query, target: Target) -> WatchOptions:
    """Read what a watch asks for."""
    initial = query.get("sendInitialEvents")
    return WatchOptions(
        selector(query, target),
        resource_version(query),
        flag(query, "allowWatchBookmarks"),
        whole_number(query, "timeoutSeconds"),
        None if initial is None else flag(query, "sendInitialEvents"),
    )


def dry_run(query: Query, body: Any = None) -> bool:
    """Whether nothing may be stored; only ``All`` is known."""
    given = [query["dryRun"]] if query.get("dryRun") else []
    if isinstance(body, dict) and isinstance(body.get("dryRun"), list):
        given += [str(each) for each in body["dryRun"]]
    if any(each != "All" for each in given):
        raise ApiError(
            422,
            "Invalid",
            f'dryRun: Unsupported value: "{given[0]}": supported values: "All"',
        )
    return bool(given)


def delete_options(query: Query, body: Any) -> DeleteOptions:
    """Read DeleteOptions from the body, else from the query."""
    given: JsonObject = body if isinstance(body, dict) else {}
    grace = given.get("gracePeriodSeconds")
    if grace is None:
        text = query.get("gracePeriodSeconds", "")
        if text and not text.lstrip("-").isdigit():
            raise bad_request(f'invalid gracePeriodSeconds: "{text}" is not a number')
        grace = int(text) if text else None
    if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
        raise bad_request("json: cannot unmarshal gracePeriodSeconds into a Go value of type int64")
    preconditions = given.get("preconditions") or {}
    if not isinstance(preconditions, dict):
        raise bad_request("json: cannot unmarshal preconditions into a Go struct")
    policy = given.get("propagationPolicy") or query.get("propagationPolicy")
    return DeleteOptions(
        grace_s=grace if grace is None else max(grace, 0),
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        propagation=policy,
        dry_run=dry_run(query, body),
    )


def decode_json(raw: bytes, kind: str) -> Any:
    """Decode a body; 400 in Kubernetes' words where it is no JSON."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise bad_request(
            f"the object provided is unrecognized (must be of type {kind}): "
            f"couldn't get version/kind; json parse error: {error}"
        ) from error


def apply_patch(content_type: str, patch: Any, shown: JsonObject) -> Any:
    """Apply a patch of the format that the content type names; 415 for others."""
    apply = _PATCHES.get(content_type)
    if apply is None:
        raise unsupported_media_type(", ".join(_PATCHES))
    if not isinstance(patch, dict | list):
        raise bad_request("error decoding patch: not a JSON object or array")
    return apply(shown, patch)
