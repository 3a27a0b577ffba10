"""The shell of one question: a pod's Kubernetes events, read once, for an autoscaler's word.

Whatever comes of it, an answer is there within its timeout: an abort waits for no longer.
"""

from __future__ import annotations

from datetime import datetime

from runbus.reading.autoscaler import AutoscalerWord, read_autoscaler
from runbus.reading.objects import UnreadableObjectError, decode_kube_event_list
from runbus.runtime.kube import Kube
from runbus.runtime.kube_errors import KubeError
from runbus.runtime.logs import Log
from runbus.state_watcher.model import AskEvents

EVENTS_TIMEOUT_S = 1.0
EVENTS_MAX = 500  # a pod has some tens: alike ones are counted in one


async def ask_autoscaler(
    kube: Kube, ask: AskEvents, asked_at: datetime, log: Log
) -> AutoscalerWord:
    """Return what an autoscaler said of a pod; nothing where the events cannot be had in time."""
    path = f"/api/v1/namespaces/{ask.namespace}/events"
    query: dict[str, str | int] = {
        "fieldSelector": f"involvedObject.uid={ask.uid}",
        "limit": EVENTS_MAX,
    }
    try:
        answer = await kube.request("GET", path, query=query, timeout_s=EVENTS_TIMEOUT_S)
        return read_autoscaler(decode_kube_event_list(answer).items, asked_at)
    except (KubeError, UnreadableObjectError) as error:
        log.warning("Kubernetes events not read: judged without an autoscaler", error=str(error))
        return AutoscalerWord(asked_at=asked_at)
