"""What the query string and the body of a request ask for. Pure: text in, values or 400 out."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from runbus.localcluster.rules.causes import Causes, quoted
from runbus.localcluster.rules.deletion import POLICIES, DeleteOptions
from runbus.localcluster.rules.errors import (
    ApiError,
    Cause,
    bad_request,
    invalid,
    unsupported_patch_type,
)
from runbus.localcluster.rules.patches import json_patch, merge_patch
from runbus.localcluster.rules.resources import Target
from runbus.localcluster.rules.selectors import (
    Selector,
    parse_field_selector,
    parse_label_selector,
)
from runbus.localcluster.rules.strategic import strategic_merge_patch
from runbus.localcluster.store.pages import ListOptions

JsonObject = dict[str, Any]
Query = Mapping[str, str]
_FALSE = frozenset(("false", "0"))
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
    """Read a boolean parameter as Kubernetes does: whatever is not false or 0 is true."""
    return name in query and query[name].lower() not in _FALSE


def whole_number(query: Query, name: str) -> int | None:
    """Read a number; None where it is not given or negative, 400 where it is none."""
    value = query.get(name, "")
    if not value:
        return None
    if not value.isascii() or not value.removeprefix("-").isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax')
    return int(value) if int(value) >= 0 else None


def resource_version(query: Query) -> int | None:
    """Read ``resourceVersion``: None for unset and 0 (any state will do)."""
    value = query.get("resourceVersion", "")
    if not value.isdigit() and value:
        raise ApiError(400, "BadRequest", f'invalid resource version: "{value}"')
    return int(value) or None if value else None


def list_options(query: Query, target: Target) -> ListOptions:
    """Read what a list asks for; 400 and 422 where that contradicts itself."""
    _check_match(query)
    version = resource_version(query)
    token, limit = query.get("continue", ""), whole_number(query, "limit") or 0
    if token and version is not None:
        raise bad_request("specifying resource version is not allowed when using continue")
    if query.get("resourceVersion") == "0" and not token:
        limit = 0  # what a kube-apiserver answers from its cache, and that whole
    match = query.get("resourceVersionMatch", "")
    exact = version is not None and (match == "Exact" or (not match and limit > 0))
    return ListOptions(selector(query, target), limit, token, version, exact)


def _check_match(query: Query, watch: bool = False) -> None:
    """Check ``resourceVersionMatch`` (apimachinery's ValidateListOptions)."""
    match, version = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    if not match:
        return
    causes, field = Causes(), "resourceVersionMatch"
    if watch:
        causes.forbidden(field, f"{field} is forbidden for watch unless sendInitialEvents is set")
    if not version:
        causes.forbidden(field, f"{field} is forbidden unless resourceVersion is provided")
    if query.get("continue"):
        causes.forbidden(field, f"{field} is forbidden when continue is provided")
    if match not in {"Exact", "NotOlderThan"}:
        causes.unsupported(field, match, ("Exact", "NotOlderThan", ""))
    if match == "Exact" and version == "0":
        causes.forbidden(field, f'{field} "exact" is forbidden for resourceVersion "0"')
    if causes.found:
        raise invalid("ListOptions", "meta.k8s.io", "", causes.found)


def selector(query: Query, target: Target) -> Selector:
    """Read both selectors."""
    return Selector(
        target.namespace,
        parse_label_selector(query.get("labelSelector", "")),
        parse_field_selector(query.get("fieldSelector", ""), target.resource),
    )


def watch_options(query: Query, target: Target) -> WatchOptions:
    """Read what a watch asks for."""
    initial = query.get("sendInitialEvents")
    if initial is None:
        _check_match(query, watch=True)
    return WatchOptions(
        selector(query, target),
        resource_version(query),
        flag(query, "allowWatchBookmarks"),
        whole_number(query, "timeoutSeconds"),
        None if initial is None else flag(query, "sendInitialEvents"),
    )


def dry_run(query: Query, options: str, body: Any = None) -> bool:
    """Whether nothing may be stored; only ``All`` is known. ``options``: CreateOptions, ...."""
    given = [query["dryRun"]] if query.get("dryRun") else []
    if isinstance(body, dict) and isinstance(body.get("dryRun"), list):
        given = [str(each) for each in body["dryRun"]]
    if any(each != "All" for each in given):
        shown = ", ".join(quoted(each) for each in given)
        why = f'Unsupported value: []string{{{shown}}}: supported values: "All"'
        cause = Cause("FieldValueNotSupported", why, "dryRun")
        raise invalid(options, "meta.k8s.io", "", [cause])
    return bool(given)


def delete_options(query: Query, body: Any) -> DeleteOptions:
    """Read DeleteOptions: from the body where there is one, from the query otherwise."""
    if body is None:
        text = query.get("gracePeriodSeconds", "")
        if text and not text.lstrip("-").isdigit():
            raise bad_request(f'invalid gracePeriodSeconds: "{text}" is not a number')
        return DeleteOptions(
            grace_s=max(int(text), 0) if text else None,
            propagation=_propagation(
                query.get("propagationPolicy"),
                flag(query, "orphanDependents") if "orphanDependents" in query else None,
            ),
            dry_run=dry_run(query, "DeleteOptions"),
        )
    try:
        given = msgspec.convert(body, _DeleteOptions)
    except msgspec.ValidationError as error:
        raise bad_request(f"the body is no DeleteOptions: {error}") from error
    if given.kind not in {"", "DeleteOptions"}:
        raise bad_request(f'no kind "{given.kind}" is taken here, but DeleteOptions')
    fence = given.preconditions or _Preconditions()
    return DeleteOptions(
        grace_s=None if given.grace is None else max(given.grace, 0),
        uid=fence.uid,
        resource_version=fence.version,
        propagation=_propagation(given.policy, given.orphan),
        dry_run=dry_run({}, "DeleteOptions", body),
    )


class _Preconditions(msgspec.Struct, frozen=True, rename={"version": "resourceVersion"}):
    uid: str | None = None
    version: str | None = None


class _DeleteOptions(
    msgspec.Struct,
    frozen=True,
    rename={
        "grace": "gracePeriodSeconds",
        "policy": "propagationPolicy",
        "orphan": "orphanDependents",
        "dry": "dryRun",
    },
):
    kind: str = ""
    grace: int | None = None
    preconditions: _Preconditions | None = None
    policy: str | None = None
    orphan: bool | None = None
    dry: list[str] | None = None


def _propagation(policy: str | None, orphan: bool | None) -> str | None:
    """The policy; ``orphanDependents`` is what older clients say it by."""
    causes = Causes()
    if policy is not None and orphan is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        causes.invalid("propagationPolicy", policy, why)
    elif policy is not None and policy not in POLICIES:
        causes.unsupported("propagationPolicy", policy, (*POLICIES, "nil"))
    if causes.found:
        raise invalid("DeleteOptions", "meta.k8s.io", "", causes.found)
    if orphan is not None:
        return "Orphan" if orphan else "Background"
    return policy


def decode_json(raw: bytes, kind: str) -> Any:
    """Decode a body; 400 in Kubernetes' words where it is no JSON."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise bad_request(
            f"the object provided is unrecognized (must be of type {kind}): "
            f"couldn't get version/kind; json parse error: {error}"
        ) from error


def patch_of(content_type: str, raw: bytes) -> Callable[[JsonObject], Any]:
    """How a patch changes an object, by the format that the content type names.

    415 for other formats at once; 400 where it is no JSON once it is applied, as 404 comes first.
    """
    apply = _PATCHES.get(content_type)
    if apply is None:
        raise unsupported_patch_type()

    def change(shown: JsonObject) -> Any:
        try:
            patch = msgspec.json.decode(raw)
        except msgspec.DecodeError as error:
            raise bad_request(f"error decoding patch: {error}") from error
        return apply(shown, patch)

    return change
