"""What a runner makes of containers that another runner started. Pure.

As a kubelet that finds a pod without its containers: what was running is lost (exit code 137,
ContainerStatusUnknown), what had ended has ended; restarts go on counting. Whether a container
starts again is then for the pod's restart policy.
"""

from collections.abc import Mapping
from typing import Any

from runbus.localcluster.rules.shapes import PodStatus
from runbus.localcluster.rules.timestamps import from_time
from runbus.localcluster.runner.states import ContainerView, Terminated, Waiting

JsonObject = dict[str, Any]
_LOST = 137
_LOST_REASON = "ContainerStatusUnknown"
_LOST_MESSAGE = "The container could not be located when the pod was terminated"


def adopted_views(status: PodStatus, now_s: float) -> dict[str, ContainerView]:
    """The containers of which the status tells something, by name."""
    shown = [*(status.init_container_statuses or ()), *(status.container_statuses or ())]
    views = {str(each.get("name")): _view(each, now_s) for each in shown}
    return {name: view for name, view in views.items() if view is not None}


def _view(status: JsonObject, now_s: float) -> ContainerView | None:
    state: Mapping[str, Any] = status.get("state") or {}
    last = _ended((status.get("lastState") or {}).get("terminated"), now_s)
    restarts = int(status.get("restartCount") or 0)
    container_id, image_id = str(status.get("containerID") or ""), str(status.get("imageID") or "")
    if "running" in state:
        started_s = _time(state["running"].get("startedAt"), now_s)
        lost = Terminated(
            _LOST, _LOST_REASON, started_s, now_s, _LOST_MESSAGE, container_id=container_id
        )
        return ContainerView(lost, last, restarts, container_id, image_id)
    ended = _ended(state.get("terminated"), now_s)
    if ended is not None:
        return ContainerView(ended, last, restarts, container_id, image_id)
    if last is None:
        return None
    # it waited for its next start, which is still to come
    waiting = state.get("waiting") or {}
    if waiting.get("reason") == "CrashLoopBackOff":
        return ContainerView(last, last, restarts, container_id, image_id)
    reason = str(waiting.get("reason") or "ContainerCreating")
    return ContainerView(Waiting(reason), last, restarts, container_id, image_id)


def _ended(state: JsonObject | None, now_s: float) -> Terminated | None:
    if not state:
        return None
    return Terminated(
        int(state.get("exitCode") or 0),
        str(state.get("reason") or ""),
        _time(state.get("startedAt"), now_s),
        _time(state.get("finishedAt"), now_s),
        str(state.get("message") or ""),
        int(state.get("signal") or 0),
        str(state.get("containerID") or ""),
    )


def _time(text: Any, now_s: float) -> float:
    return from_time(str(text)) if text else now_s
