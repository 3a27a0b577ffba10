"""What admission adds to a new pod or refuses: priority, service account, quota.

Rules: the admission plugins Priority, ServiceAccount and ResourceQuota. What they need to know of
the cluster comes in as arguments.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from runbus.localcluster.rules.errors import ApiError, forbidden
from runbus.localcluster.rules.quantities import format_quantity, parse_quantity
from runbus.localcluster.rules.resources import PODS

JsonObject = dict[str, Any]
_ENDED = ("Succeeded", "Failed")


def with_priority(pod: JsonObject, classes: Iterable[JsonObject]) -> JsonObject:
    """The pod with priority and preemption policy; 403 where its class does not exist."""
    spec = pod["spec"]
    name = spec.get("priorityClassName")
    known = {each["metadata"]["name"]: each for each in classes}
    if not name:
        defaults = [each for each in known.values() if each.get("globalDefault")]
        chosen = max(defaults, key=lambda each: int(each["value"]), default=None)
    else:
        chosen = known.get(name)
        if chosen is None:
            why = f"no PriorityClass with name {name} was found"
            raise forbidden(PODS, pod["metadata"]["name"], why)
    value = int(chosen["value"]) if chosen else 0
    given = spec.get("priority")
    if given is not None and given != value:
        why = (
            "the integer value of priority "
            f"({given}) must not be provided in pod spec; priority admission controller computed "
            f"{value} from the given PriorityClass name"
        )
        raise forbidden(PODS, pod["metadata"]["name"], why)
    policy = chosen.get("preemptionPolicy") if chosen else None
    done = {**spec, "priority": value, "preemptionPolicy": policy or "PreemptLowerPriority"}
    if chosen:
        done["priorityClassName"] = chosen["metadata"]["name"]
    return {**pod, "spec": done}


def missing_account(pod: JsonObject) -> ApiError:
    """403: the pod's service account does not exist."""
    meta, name = pod["metadata"], pod["spec"]["serviceAccountName"]
    why = (
        f"error looking up service account {meta['namespace']}/{name}: "
        f'serviceaccount "{name}" not found'
    )
    return forbidden(PODS, meta["name"], why)


def pod_usage(pod: JsonObject) -> dict[str, Fraction]:
    """What one pod counts for in a quota, by the quota's own keys."""
    spec = pod["spec"]
    usage = {"pods": Fraction(1), "count/pods": Fraction(1)}
    for block in ("requests", "limits"):
        sums: dict[str, Fraction] = {}
        for container in spec.get("containers") or []:
            for name, text in ((container.get("resources") or {}).get(block) or {}).items():
                sums[name] = sums.get(name, Fraction(0)) + parse_quantity(str(text))
        for container in spec.get("initContainers") or []:
            for name, text in ((container.get("resources") or {}).get(block) or {}).items():
                sums[name] = max(sums.get(name, Fraction(0)), parse_quantity(str(text)))
        usage.update({f"{block}.{name}": value for name, value in sums.items()})
        if block == "requests":
            usage.update({name: value for name, value in sums.items() if name != "pods"})
    return usage


def quota_used(hard: Iterable[str], pods: Iterable[JsonObject]) -> dict[str, Fraction]:
    """Sum what the pods that have not ended use of a quota's keys."""
    used = {name: Fraction(0) for name in hard}
    for pod in pods:
        if (pod.get("status") or {}).get("phase") in _ENDED:
            continue
        for name, value in pod_usage(pod).items():
            if name in used:
                used[name] += value
    return used


def check_quota(pod: JsonObject, quota: JsonObject, pods: Iterable[JsonObject]) -> None:
    """Refuse (403) a pod that would take a quota past its limits or says too little."""
    hard = {
        name: parse_quantity(str(text))
        for name, text in ((quota.get("spec") or {}).get("hard") or {}).items()
    }
    wanted = pod_usage(pod)
    meta, name = pod["metadata"], quota["metadata"]["name"]
    silent = [each for each in hard if "." in each or each in {"cpu", "memory"}]
    unspecified = sorted(each for each in silent if each not in wanted and "/" not in each)
    if unspecified:
        containers = ",".join(each["name"] for each in pod["spec"]["containers"])
        says = "; ".join(f"{each} for: {containers}" for each in unspecified)
        raise forbidden(PODS, meta["name"], f"failed quota: {name}: must specify {says}")
    used = quota_used(hard, pods)
    over = sorted(
        each for each in hard if each in wanted and used[each] + wanted[each] > hard[each]
    )
    if over:
        why = (
            f"exceeded quota: {name}, requested: {_listed(over, wanted)}, "
            f"used: {_listed(over, used)}, limited: {_listed(over, hard)}"
        )
        raise forbidden(PODS, meta["name"], why)


def quota_status(quota: JsonObject, pods: Iterable[JsonObject]) -> JsonObject:
    """The status of a quota: its limits and what is used of them."""
    hard = (quota.get("spec") or {}).get("hard") or {}
    used = quota_used(hard, pods)
    return {"hard": hard, "used": {name: format_quantity(used[name]) for name in hard}}


def _listed(names: list[str], values: dict[str, Fraction]) -> str:
    return ",".join(f"{name}={format_quantity(values[name])}" for name in names)
