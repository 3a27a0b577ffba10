"""What may change in a stored pod, and the words for what may not."""

from typing import Any

import msgspec

from runbus.localcluster.rules.causes import Causes

JsonObject = dict[str, Any]
_RULE = (
    "pod updates may not change fields other than `spec.containers[*].image`, "
    "`spec.initContainers[*].image`, `spec.activeDeadlineSeconds` or `spec.tolerations` "
    "(only additions to existing tolerations)"
)
_MAX_DIFFERENCES = 20


def validate_pod_update(old: JsonObject, new: JsonObject, causes: Causes) -> None:
    """Compare two specs; everything but the mutable fields must be equal."""
    for key in ("containers", "initContainers"):
        if len(old.get(key) or []) != len(new.get(key) or []):
            causes.forbidden(f"spec.{key}", "pod updates may not add or remove containers")
            return
    before, after = old.get("activeDeadlineSeconds"), new.get("activeDeadlineSeconds")
    if before is not None and (after is None or after > before):
        why = "must be less than or equal to previous value"
        if after is None:
            after, why = "null", "must not update from a positive integer to nil value"
        causes.invalid("spec.activeDeadlineSeconds", after, why)
        return
    gates = [each.get("name") for each in old.get("schedulingGates") or []]
    added = [g for g in new.get("schedulingGates") or [] if g.get("name") not in gates]
    if added:
        why = "only deletion is allowed, but found new scheduling gate"
        causes.forbidden("spec.schedulingGates", f"{why} '{added[0].get('name')}'")
    if not _only_added(old.get("tolerations") or [], new.get("tolerations") or []):
        why = "existing toleration can not be modified except its tolerationSeconds"
        causes.forbidden("spec.tolerations", why)
    mutable = {"nodeSelector", "affinity"} if gates else set()
    left, right = _fixed(old, mutable), _fixed(new, mutable)
    if left != right:
        lines = differences(left, right, "spec")
        causes.forbidden("spec", "\n  ".join([_RULE, *lines]))


def validate_status_update(old: JsonObject, new: JsonObject, causes: Causes) -> None:
    """Compare two pods: a container that has ended has ended, unless its policy starts it again.

    Ephemeral containers are not looked at.
    """
    policy = old["spec"].get("restartPolicy")
    if policy == "Always":
        return
    for block in ("containerStatuses", "initContainerStatuses"):
        states = {each["name"]: each.get("state") or {} for each in _listed(new, block)}
        for number, each in enumerate(_listed(old, block)):
            ended = (each.get("state") or {}).get("terminated")
            if ended is None or each["name"] not in states:
                continue
            if policy == "OnFailure" and ended.get("exitCode", 0) != 0:
                continue
            if "terminated" not in states[each["name"]]:
                why = "may not be transitioned to non-terminated state"
                causes.forbidden(f"status.{block}[{number}].state", why)


def _listed(pod: JsonObject, block: str) -> list[JsonObject]:
    return (pod.get("status") or {}).get(block) or []


def _only_added(old: list[JsonObject], new: list[JsonObject]) -> bool:
    def key(toleration: JsonObject) -> str:
        shown = {k: v for k, v in toleration.items() if k != "tolerationSeconds"}
        return msgspec.json.encode(shown, order="deterministic").decode()

    return {key(each) for each in old} <= {key(each) for each in new}


def _fixed(spec: JsonObject, also_mutable: set[str]) -> JsonObject:
    mutable = {"activeDeadlineSeconds", "tolerations", "schedulingGates", *also_mutable}
    fixed = {key: value for key, value in spec.items() if key not in mutable}
    for key in ("containers", "initContainers"):
        fixed[key] = [
            {name: value for name, value in each.items() if name != "image"}
            for each in spec.get(key) or []
        ]
    return fixed


def differences(old: Any, new: Any, path: str) -> list[str]:
    """One line for each place where two documents differ: ``path: old -> new``."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = list(dict.fromkeys([*old, *new]))
        lines = [
            line
            for key in keys
            if old.get(key) != new.get(key)
            for line in differences(old.get(key), new.get(key), f"{path}.{key}")
        ]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        lines = [
            line
            for i, (before, after) in enumerate(zip(old, new, strict=True))
            if before != after
            for line in differences(before, after, f"{path}[{i}]")
        ]
    else:
        shown = [msgspec.json.encode(value).decode() for value in (old, new)]
        lines = [f"{path}: {shown[0]} -> {shown[1]}"]
    return lines[:_MAX_DIFFERENCES]
