"""Deleting: preconditions, grace, finalizers.

Rules: k8s.io/apiserver/pkg/registry/rest/delete.go and the pod strategy. A graceful object is
first marked (one resourceVersion) and, once its grace is 0, removed (another one).
"""

from typing import Any

import msgspec

from runbus.localcluster.rules.errors import precondition_failed
from runbus.localcluster.rules.resources import NAMESPACES, Resource
from runbus.localcluster.rules.timestamps import from_time, to_time

JsonObject = dict[str, Any]
POLICIES = ("Foreground", "Background", "Orphan")
_FINALIZERS = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}


class DeleteOptions(msgspec.Struct, frozen=True):
    """What a delete may ask for; ``grace_s`` None means the object's own."""

    grace_s: int | None = None
    uid: str | None = None
    resource_version: str | None = None
    propagation: str | None = None
    dry_run: bool = False


class Deletion(msgspec.Struct, frozen=True):
    """What a delete leads to.

    ``marked``: the object to store first (None: nothing to store). ``gone``: it is removed then.
    """

    marked: JsonObject | None
    gone: bool


def decide_deletion(
    resource: Resource, obj: JsonObject, options: DeleteOptions, now_s: float
) -> Deletion:
    """Decide on a stored object; 409 where a precondition fails."""
    _check(resource, obj, options)
    before = obj
    if resource is not NAMESPACES:
        obj = _with_policy(obj, options.propagation)
    decided = _decide(resource, obj, options, now_s)
    if decided.marked is None and not decided.gone and obj is not before:
        return Deletion(obj, gone=False)
    return decided


def _decide(resource: Resource, obj: JsonObject, options: DeleteOptions, now_s: float) -> Deletion:
    meta = obj["metadata"]
    finalized = not meta.get("finalizers")
    if resource is NAMESPACES:
        return _namespace_deletion(obj, now_s)
    if not resource.graceful:
        if finalized:
            return Deletion(None, gone=True)
        if "deletionTimestamp" in meta:
            return Deletion(None, gone=False)
        return Deletion(_marked(obj, to_time(now_s), 0), gone=False)
    if "deletionTimestamp" not in meta:
        grace_s = _grace(obj, options)
        until = to_time(int(now_s) + grace_s)
        return Deletion(_marked(obj, until, grace_s), gone=grace_s == 0 and finalized)
    return _second_deletion(obj, options, finalized)


def _with_policy(obj: JsonObject, policy: str | None) -> JsonObject:
    """The finalizer of a policy, for which the janitor's collector looks, instead of others."""
    if policy is None:
        return obj
    before = obj["metadata"].get("finalizers") or []
    kept = [each for each in before if each not in _FINALIZERS.values()]
    wanted = [*kept, _FINALIZERS[policy]] if policy in _FINALIZERS else kept
    if wanted == before:
        return obj
    meta = {key: value for key, value in obj["metadata"].items() if key != "finalizers"}
    return {**obj, "metadata": {**meta, **({"finalizers": wanted} if wanted else {})}}


def _second_deletion(obj: JsonObject, options: DeleteOptions, finalized: bool) -> Deletion:
    meta = obj["metadata"]
    before = meta.get("deletionGracePeriodSeconds") or 0
    if before == 0:
        return Deletion(None, gone=finalized)
    wanted = options.grace_s
    if wanted is None or wanted >= before:
        return Deletion(None, gone=False)
    until = to_time(from_time(meta["deletionTimestamp"]) - before + max(wanted, 0))
    return Deletion(_marked(obj, until, max(wanted, 0)), gone=wanted <= 0 and finalized)


def _grace(pod: JsonObject, options: DeleteOptions) -> int:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in {"Succeeded", "Failed"}:
        return 0
    wanted = options.grace_s
    if wanted is None:
        wanted = spec.get("terminationGracePeriodSeconds")
    return max(int(wanted or 0), 0)


def _namespace_deletion(obj: JsonObject, now_s: float) -> Deletion:
    if not (obj.get("spec") or {}).get("finalizers"):
        return Deletion(None, gone=True)
    if "deletionTimestamp" in obj["metadata"]:
        return Deletion(None, gone=False)
    meta = {**obj["metadata"], "deletionTimestamp": to_time(now_s)}
    status = {**(obj.get("status") or {}), "phase": "Terminating"}
    return Deletion({**obj, "metadata": meta, "status": status}, gone=False)


def _marked(obj: JsonObject, until: str, grace_s: int) -> JsonObject:
    meta = {
        **obj["metadata"],
        "deletionTimestamp": until,
        "deletionGracePeriodSeconds": grace_s,
    }
    return {**obj, "metadata": meta}


def _check(resource: Resource, obj: JsonObject, options: DeleteOptions) -> None:
    meta = obj["metadata"]
    if options.uid is not None and options.uid != meta["uid"]:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record "
            f"({meta['uid']}). The object might have been deleted and then recreated"
        )
        raise precondition_failed(resource, meta["name"], why)
    version = options.resource_version
    if version is not None and version != meta["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({version}) does not match the "
            f"ResourceVersion in record ({meta['resourceVersion']}). "
            "The object might have been modified"
        )
        raise precondition_failed(resource, meta["name"], why)


def finished(resource: Resource, obj: JsonObject) -> bool:
    """Say whether an update took the last obstacle from an object that is being deleted."""
    meta = obj["metadata"]
    if "deletionTimestamp" not in meta or meta.get("finalizers"):
        return False
    if resource is NAMESPACES:
        return not (obj.get("spec") or {}).get("finalizers")
    return (meta.get("deletionGracePeriodSeconds") or 0) == 0
