"""Who owns which field of an object: server-side apply, and what other writes take over. Pure.

Rules: k8s.io/apimachinery/pkg/util/managedfields. Unlike Kubernetes, owners are told from the first
server-side apply on; what was there before belongs to ``before-first-apply``, as where Kubernetes
finds an object of which nobody is known to own a field.
"""

from typing import Any

import msgspec

from runbus.localcluster.rules.errors import ApiError
from runbus.localcluster.rules.field_sets import (
    FieldSet,
    changes,
    fields_of,
    from_tree,
    merged,
    ordered,
    shown,
    to_tree,
    without,
)

JsonObject = dict[str, Any]
APPLY, UPDATE = "Apply", "Update"
_BEFORE = "before-first-apply"
_KUBECTL = "kubectl"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_EMPTY: JsonObject = {"metadata": {}, "spec": {}, "status": {}}


class Writer(msgspec.Struct, frozen=True):
    """Who writes, through which version and subresource, and when (RFC 3339)."""

    name: str
    api_version: str
    now: str
    subresource: str = ""


class _Owner(msgspec.Struct, frozen=True, order=True):
    operation: str
    name: str
    subresource: str = ""


class _Owned(msgspec.Struct):
    fields: FieldSet
    api_version: str
    time: str


_Owners = dict[_Owner, _Owned]


def apply(live: JsonObject, config: JsonObject, writer: Writer, *, force: bool) -> JsonObject:
    """What an applied document makes of a stored object; 409 where others own what it changes.

    The answer has the owners in its metadata; fields that only this writer owned and does not
    name any more are gone.
    """
    owners = _read(live["metadata"].get("managedFields"))
    if not owners:
        before = fields_before(live)
        owners[_Owner(UPDATE, _BEFORE)] = _Owned(before, writer.api_version, writer.now)
    me = _Owner(APPLY, writer.name, writer.subresource)
    laid = merged(live, config)
    changed, _ = changes(live, laid)
    conflicts = {
        other: found
        for other, owned in owners.items()
        if other != me and (found := owned.fields & changed)
    }
    if conflicts and not force and not _is_kubectls(live, writer, conflicts):
        raise _conflict(conflicts, owners)
    last = owners[me].fields if me in owners else frozenset()
    owners.pop(me, None)
    _take(owners, frozenset().union(*conflicts.values()))
    wanted = fields_of(config)
    kept = wanted.union(*(each.fields for each in owners.values()))
    inner = {path[:i] for path in kept for i in range(1, len(path))}
    gone = frozenset(path for path in last if path not in kept and path not in inner)
    new = without(laid, gone)
    _take(owners, changes(laid, new)[1])
    if wanted:
        owners[me] = _Owned(wanted, writer.api_version, writer.now)
    return _with_owners(live, new, owners)


def fields_before(live: JsonObject) -> FieldSet:
    """Everything that is in an object of which no owner is known."""
    return changes(_EMPTY, live)[0]


def first_applied(config: JsonObject, writer: Writer) -> JsonObject:
    """The document of an object that is created by applying it, with its owner."""
    me = _Owner(APPLY, writer.name, writer.subresource)
    owners = {me: _Owned(fields_of(config), writer.api_version, writer.now)}
    return _with_owners({"metadata": {}}, config, owners)


def updated(old: JsonObject, new: JsonObject, writer: Writer) -> JsonObject:
    """The new version of an object whose owners are known, with its writer among them.

    Owners are forgotten where a client says so (``managedFields: [{}]``).
    """
    if "managedFields" not in old["metadata"]:
        return new
    given = new["metadata"].get("managedFields", old["metadata"]["managedFields"])
    owners = _read(given)
    if not owners:
        return _with_owners(old, new, {})
    changed, removed = changes(old, new)
    me = _Owner(UPDATE, writer.name, writer.subresource)
    mine = owners.pop(me, None)
    _take(owners, changed | removed)
    held = ((mine.fields if mine else frozenset()) | changed) - removed
    if held:
        is_new = mine is None or held != mine.fields
        time = writer.now if is_new or mine is None else mine.time
        owners[me] = _Owned(held, writer.api_version, time)
    return _with_owners(old, new, owners)


def _take(owners: _Owners, fields: FieldSet) -> None:
    for owner, owned in list(owners.items()):
        owned.fields -= fields
        if not owned.fields:
            del owners[owner]


def _read(entries: Any) -> _Owners:
    found: _Owners = {}
    for each in entries or ():
        fields = from_tree(each.get("fieldsV1")) if isinstance(each, dict) else None
        if fields:
            named = (str(each.get(key) or "") for key in ("operation", "manager", "subresource"))
            owned = _Owned(fields, str(each.get("apiVersion")), str(each.get("time")))
            found[_Owner(*named)] = owned
    return found


def _with_owners(old: JsonObject, new: JsonObject, owners: _Owners) -> JsonObject:
    before = {
        (each.get("operation"), each.get("manager"), each.get("subresource")): each
        for each in old["metadata"].get("managedFields") or ()
    }
    entries = []
    every = sorted(owners.items(), key=lambda each: (each[0].operation, each[1].time, each[0]))
    for owner, owned in every:
        entry = {
            "manager": owner.name,
            "operation": owner.operation,
            "apiVersion": owned.api_version,
            "time": owned.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": to_tree(owned.fields),
        }
        if owner.subresource:
            entry["subresource"] = owner.subresource
        same = before.get((owner.operation, owner.name, owner.subresource or None))
        if same is not None and same.get("fieldsV1") == entry["fieldsV1"]:
            entry = same
        entries.append(entry)
    meta = {key: value for key, value in new["metadata"].items() if key != "managedFields"}
    return {**new, "metadata": {**meta, **({"managedFields": entries} if entries else {})}}


def _is_kubectls(live: JsonObject, writer: Writer, conflicts: dict[_Owner, FieldSet]) -> bool:
    """Whether kubectl itself wrote what it changes now, by an apply of its own kind before."""
    raw = (live["metadata"].get("annotations") or {}).get(_LAST_APPLIED)
    if writer.name != _KUBECTL or not raw:
        return False
    try:
        last = msgspec.json.decode(raw, type=JsonObject)
    except msgspec.DecodeError:
        return False
    same = fields_of(last) - changes(live, merged(live, last))[0]
    return frozenset().union(*conflicts.values()) <= same


def _conflict(conflicts: dict[_Owner, FieldSet], owners: _Owners) -> ApiError:
    causes = []
    told: list[str] = []
    for owner, fields in sorted(conflicts.items()):
        name = _named(owner, owners[owner])
        paths = [shown(path) for path in ordered(fields)]
        told += [f"conflicts with {name}:", *(f"- {path}" for path in paths)]
        message = f"conflict with {name}"
        causes += [
            {"reason": "FieldManagerConflict", "message": message, "field": path} for path in paths
        ]
    if len(causes) == 1:
        text = f"1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        text = f"{len(causes)} conflicts: " + "\n".join(told)
    return ApiError(409, "Conflict", f"Apply failed with {text}", {"causes": causes})


def _named(owner: _Owner, owned: _Owned) -> str:
    name = msgspec.json.encode(owner.name).decode()
    if owner.subresource:
        name += f' with subresource "{owner.subresource}"'
    return f"{name} using {owned.api_version}" if owner.operation == UPDATE else name
