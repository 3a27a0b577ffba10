"""Container states and the pod status they add up to, as a kubelet writes it. Pure.

Rules: k8s.io/kubernetes/pkg/kubelet (getPhase, generateAPIPodStatus, status/generate.go).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from runbus.localcluster.rules.shapes import Container, Pod
from runbus.localcluster.rules.timestamps import to_time

JsonObject = dict[str, Any]


class Waiting(msgspec.Struct, frozen=True, tag=True):
    """Not started yet, or not again."""

    reason: str
    message: str = ""


class Running(msgspec.Struct, frozen=True, tag=True):
    """Started; seconds since the epoch."""

    started_s: float


class Terminated(msgspec.Struct, frozen=True, tag=True):
    """Ended; times in seconds since the epoch."""

    exit_code: int
    reason: str
    started_s: float
    finished_s: float
    message: str = ""
    signal: int = 0
    container_id: str = ""


State = Waiting | Running | Terminated


class ContainerView(msgspec.Struct, frozen=True):
    """All that a container's status shows."""

    state: State
    last: Terminated | None = None
    restarts: int = 0
    container_id: str = ""
    image_id: str = ""


class PodFacts(msgspec.Struct, frozen=True):
    """What the runner knows of a pod besides its containers.

    ``reason``/``message``: set when the runner itself failed the pod. ``stopping``: containers
    are not started again. ``disruption``: why the pod was ended from outside, if it was.
    """

    started_s: float
    ip: str
    stopping: bool = False
    reason: str = ""
    message: str = ""
    disruption: str = ""


Views = Mapping[str, ContainerView]


def exit_reason(exit_code: int) -> str:
    """The reason of an ended container."""
    return "Completed" if exit_code == 0 else "Error"


def from_returncode(returncode: int) -> tuple[int, int]:
    """Exit code and signal as a kubelet shows a process's end: signal S is 128 + S."""
    return (128 - returncode, -returncode) if returncode < 0 else (returncode, 0)


def is_sidecar(container: Container) -> bool:
    """Whether an init container runs beside the main ones (restartPolicy Always)."""
    return container.restart_policy == "Always"


def starts_again(policy: str, exit_code: int) -> bool:
    """Whether a restart policy starts an ended container again."""
    match policy:
        case "Always":
            return True
        case "OnFailure":
            return exit_code != 0
        case _:
            return False


def init_policy(pod_policy: str) -> str:
    """The policy for init containers: those that succeeded are done."""
    return "OnFailure" if pod_policy == "Always" else pod_policy


def pod_phase(pod: Pod, views: Views, facts: PodFacts) -> str:
    """Pending, Running, Succeeded or Failed."""
    if facts.reason:
        return "Failed"
    policy = "Never" if facts.stopping else pod.spec.restart_policy or "Always"
    for container in pod.spec.init_containers or ():
        view = views[container.name]
        if is_sidecar(container):
            if isinstance(view.state, Waiting) and view.last is None:
                return "Pending"
            continue
        if isinstance(view.state, Terminated) and view.state.exit_code == 0:
            continue
        failed = isinstance(view.state, Terminated)
        return "Failed" if failed and policy == "Never" else "Pending"
    main = [views[each.name] for each in pod.spec.containers or ()]
    ended = [each.state if isinstance(each.state, Terminated) else each.last for each in main]
    if any(isinstance(view.state, Running) for view in main):
        never = [v for v in main if isinstance(v.state, Waiting) and v.last is None]
        return "Pending" if never else "Running"
    if any(last is None for last in ended):
        return "Pending"
    return _ended_phase(policy, [each.exit_code for each in ended if each is not None])


def _ended_phase(policy: str, codes: list[int]) -> str:
    if policy == "Always":
        return "Running"
    if all(code == 0 for code in codes):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def pod_status(
    pod: Pod, views: Views, facts: PodFacts, now_s: float, previous: Mapping[str, JsonObject]
) -> JsonObject:
    """The whole status; ``previous`` are the conditions last written, by type."""
    phase = pod_phase(pod, views, facts)
    status: JsonObject = {
        "phase": phase,
        "conditions": _conditions(pod, views, facts, phase, to_time(now_s), previous),
        "hostIP": facts.ip,
        "hostIPs": [{"ip": facts.ip}],
        "podIP": facts.ip,
        "podIPs": [{"ip": facts.ip}],
        "startTime": to_time(facts.started_s),
    }
    if facts.reason:
        status["reason"], status["message"] = facts.reason, facts.message
    if pod.spec.init_containers:
        status["initContainerStatuses"] = [
            _container_status(each, views[each.name], init=True)
            for each in pod.spec.init_containers
        ]
    status["containerStatuses"] = [
        _container_status(each, views[each.name], init=False) for each in pod.spec.containers or ()
    ]
    return status


def _container_status(container: Container, view: ContainerView, init: bool) -> JsonObject:
    running = isinstance(view.state, Running)
    done = isinstance(view.state, Terminated) and view.state.exit_code == 0
    status: JsonObject = {
        "name": container.name,
        "state": _state(view.state),
        "lastState": _state(view.last) if view.last else {},
        "ready": done if init and not is_sidecar(container) else running,
        "restartCount": view.restarts,
        "image": container.image or "",
        "imageID": view.image_id,
        "started": running,
    }
    if view.container_id:
        status["containerID"] = view.container_id
    return status


def _state(state: State) -> JsonObject:
    match state:
        case Waiting(reason=reason, message=message):
            return {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        case Running(started_s=started_s):
            return {"running": {"startedAt": to_time(started_s)}}
        case Terminated():
            shown: JsonObject = {"exitCode": state.exit_code, "reason": state.reason}
            if state.signal:
                shown["signal"] = state.signal
            if state.message:
                shown["message"] = state.message
            shown["startedAt"] = to_time(state.started_s)
            shown["finishedAt"] = to_time(state.finished_s)
            if state.container_id:
                shown["containerID"] = state.container_id
            return {"terminated": shown}


def _conditions(
    pod: Pod,
    views: Views,
    facts: PodFacts,
    phase: str,
    now: str,
    previous: Mapping[str, JsonObject],
) -> list[JsonObject]:
    inits = list(pod.spec.init_containers or ())
    uninitialised = [each.name for each in inits if not _initialised(each, views[each.name])]
    main = [*(each for each in inits if is_sidecar(each)), *(pod.spec.containers or ())]
    unready = [each.name for each in main if not isinstance(views[each.name].state, Running)]
    completed = phase == "Succeeded"
    initialised = _condition("Initialized", not uninitialised or completed)
    if completed:
        initialised["reason"] = "PodCompleted"
    elif uninitialised:
        initialised["reason"] = "ContainersNotInitialized"
        initialised["message"] = f"containers with incomplete status: [{' '.join(uninitialised)}]"
    readies = []
    for kind in ("Ready", "ContainersReady"):
        ready = _condition(kind, not unready)
        if completed or phase == "Failed":
            ready = _condition(kind, False)
            ready["reason"] = "PodCompleted" if completed else "PodFailed"
        elif unready:
            ready["reason"] = "ContainersNotReady"
            ready["message"] = f"containers with unready status: [{' '.join(unready)}]"
        readies.append(ready)
    conditions = [initialised, *readies, _condition("PodScheduled", True)]
    if facts.disruption:
        disrupted = _condition("DisruptionTarget", True)
        disrupted |= {"reason": "TerminationByKubelet", "message": facts.disruption}
        conditions.append(disrupted)
    for each in conditions:
        before = previous.get(each["type"])
        same = before is not None and before.get("status") == each["status"]
        each["lastTransitionTime"] = before["lastTransitionTime"] if same and before else now
    return conditions


def _condition(kind: str, true: bool) -> JsonObject:
    return {"type": kind, "status": "True" if true else "False", "lastProbeTime": None}


def _initialised(container: Container, view: ContainerView) -> bool:
    if is_sidecar(container):
        return isinstance(view.state, Running)
    return isinstance(view.state, Terminated) and view.state.exit_code == 0
