"""PURE: a pod that waits for a node gets more time, once, while an autoscaler adds one.

Source of the rule and the number: ADR-0025.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from runbus.contracts.commands import DeadlineAction
from runbus.contracts.deadlines import with_deadline
from runbus.contracts.durations import format_duration
from runbus.contracts.events import RunDeadlineChanged
from runbus.contracts.states import EventType, Threshold
from runbus.contracts.status import Limit, RunStatus, ScaleUp
from runbus.reading.autoscaler import AutoscalerWord
from runbus.state_watcher.model import AskEvents, Decision, Known, PodSeen, Publish

SCALE_UP_EXTENSION_S = 600.0
_KEY = Threshold.PENDING_NOT_SCHEDULED


def wait_or_abort(known: Known, pod: PodSeen, at: datetime, abort: Decision) -> Decision:
    """Ask what the autoscaler said since the deadline; extend the limit, or abort.

    Args:
        known: the run.
        pod: its pod, still without a node.
        at: the deadline that has passed.
        abort: what to do where no node is being added, or was waited for before.

    """
    word = known.autoscaler
    if word is None or word.asked_at < at:
        return Decision(ask=AskEvents(pod.namespace, pod.uid))
    if word.adds_nodes and not _is_extended(known.status):
        return Decision(publish=_extended(known.status, word))
    return abort


def with_word(message: str, known: Known) -> str:
    """Return an abort's message with what the autoscaler said."""
    said = known.autoscaler.text if known.autoscaler is not None else ""
    return "; ".join(part for part in (message, said) if part)


def _is_extended(status: RunStatus) -> bool:
    scale_up = status.thresholds[_KEY.value].scale_up
    return scale_up is not None and scale_up.attempt == status.attempt


def _extended(status: RunStatus, word: AutoscalerWord) -> Publish:
    limit = status.thresholds.get(_KEY.value, Limit())
    scale_up = ScaleUp(attempt=status.attempt, extended_s=SCALE_UP_EXTENSION_S)
    thresholds = {**status.thresholds, _KEY.value: replace(limit, scale_up=scale_up)}
    event = RunDeadlineChanged(
        status=with_deadline(replace(status, thresholds=thresholds)),
        changed_by=word.by,
        why=f"{format_duration(SCALE_UP_EXTENSION_S)} more while nodes are added; {word.text}",
        threshold=_KEY.value,
        action=DeadlineAction.EXTEND.value,
    )
    return Publish(EventType.DEADLINE_CHANGED, event)
