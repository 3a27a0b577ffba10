"""What a table shows of a pod, as k8s.io/kubernetes/pkg/printers shows it. Pure."""

from typing import Any

from runbus.localcluster.api.ages import age_of, ago

JsonObject = dict[str, Any]
_ENDED = ("Succeeded", "Failed")
_NONE = "<none>"


def pod_cells(pod: JsonObject, now_s: float) -> list[Any]:
    """The cells of one pod's row."""
    status: JsonObject = pod.get("status") or {}
    sidecars = _sidecars(pod)
    beside = [
        each for each in status.get("initContainerStatuses") or [] if each["name"] in sidecars
    ]
    statuses = [*beside, *(status.get("containerStatuses") or [])]
    ready = sum(bool(each.get("ready")) for each in statuses)
    total = len(pod["spec"]["containers"]) + len(sidecars)
    gates = pod["spec"].get("readinessGates")
    return [
        pod["metadata"]["name"],
        f"{ready}/{total}",
        pod_reason(pod),
        _restarts(statuses, now_s),
        age_of(pod, now_s),
        status.get("podIP") or _NONE,
        pod["spec"].get("nodeName") or _NONE,
        status.get("nominatedNodeName") or _NONE,
        f"0/{len(gates)}" if gates else _NONE,
    ]


def _sidecars(pod: JsonObject) -> set[str]:
    inits = pod["spec"].get("initContainers") or []
    return {each["name"] for each in inits if each.get("restartPolicy") == "Always"}


def _restarts(statuses: list[JsonObject], now_s: float) -> int | str:
    count = sum(int(each.get("restartCount") or 0) for each in statuses)
    ended = [
        ((each.get("lastState") or {}).get("terminated") or {}).get("finishedAt")
        for each in statuses
    ]
    last = max((each for each in ended if each), default=None)
    return f"{count} ({ago(last, now_s)} ago)" if count and last else count


def pod_reason(pod: JsonObject) -> str:
    """What kubectl shows as the status of a pod (printers.go, printPod)."""
    status: JsonObject = pod.get("status") or {}
    reason = str(status.get("reason") or status.get("phase") or "")
    conditions = {each.get("type"): each for each in status.get("conditions") or []}
    if (conditions.get("PodScheduled") or {}).get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    reason = _init_reason(pod) or _main_reason(status, conditions, reason)
    if pod["metadata"].get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            return "Unknown"
        if status.get("phase") not in _ENDED:
            return "Terminating"
    return reason


def _init_reason(pod: JsonObject) -> str:
    """What the first init container that is not done is at; "" where all are."""
    sidecars = _sidecars(pod)
    inits = (pod.get("status") or {}).get("initContainerStatuses") or []
    for i, each in enumerate(inits):
        state = each.get("state") or {}
        terminated, waiting = state.get("terminated"), state.get("waiting")
        if terminated and terminated.get("exitCode") == 0:
            continue
        if each["name"] in sidecars and each.get("started"):
            continue
        if terminated:
            shown = terminated.get("reason") or (
                f"Signal:{terminated['signal']}"
                if terminated.get("signal")
                else f"ExitCode:{terminated.get('exitCode')}"
            )
            return f"Init:{shown}"
        if waiting and waiting.get("reason") not in {None, "", "PodInitializing"}:
            return f"Init:{waiting['reason']}"
        return f"Init:{i}/{len(inits)}"
    return ""


def _main_reason(status: JsonObject, conditions: dict[Any, JsonObject], reason: str) -> str:
    runs = False
    for each in reversed(status.get("containerStatuses") or []):
        state = each.get("state") or {}
        shown = (state.get("waiting") or state.get("terminated") or {}).get("reason")
        reason = shown or reason
        runs = runs or bool("running" in state and each.get("ready"))
    if reason == "Completed" and runs:
        ready = (conditions.get("Ready") or {}).get("status") == "True"
        return "Running" if ready else "NotReady"
    return reason
