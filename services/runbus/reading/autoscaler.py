"""PURE: what an autoscaler said of a pod last, from the pod's Kubernetes events.

Sources of the names: the cluster autoscaler writes TriggeredScaleUp and NotTriggerScaleUp on the
pods that it looked at; Karpenter writes Nominated on a pod for which it makes a node, and
FailedScheduling on one for which it makes none. Others write FailedScheduling too: who wrote an
event decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import Struct

from runbus.contracts.texts import cut
from runbus.reading.objects import KubeEvent

AUTOSCALERS = frozenset({"cluster-autoscaler", "karpenter"})
MESSAGE_CHARACTERS_MAX = 500

_ADDS_NODES = frozenset({"TriggeredScaleUp", "Nominated"})
_NEVER = datetime.min.replace(tzinfo=UTC)


class AutoscalerWord(Struct, frozen=True, kw_only=True, array_like=True, omit_defaults=True):
    """What was found when a pod's events were asked for at `asked_at`.

    Without a `reason` no autoscaler has said anything, or the events could not be had.
    """

    asked_at: datetime
    by: str = ""
    reason: str = ""
    message: str = ""

    @property
    def adds_nodes(self) -> bool:
        """Whether nodes are being added for the pod."""
        return self.reason in _ADDS_NODES

    @property
    def text(self) -> str:
        """The word for people; empty where there is none."""
        if not self.reason:
            return ""
        said = f"{self.by}: {self.reason}"
        return f"{said}: {self.message}" if self.message else said


def read_autoscaler(events: Iterable[KubeEvent], asked_at: datetime) -> AutoscalerWord:
    """Return the latest word of an autoscaler among a pod's events."""
    found = [each for each in events if each.author in AUTOSCALERS]
    if not found:
        return AutoscalerWord(asked_at=asked_at)
    latest = max(found, key=lambda each: each.last_seen_at or _NEVER)
    message = cut(latest.message, MESSAGE_CHARACTERS_MAX)
    return AutoscalerWord(
        asked_at=asked_at, by=latest.author, reason=latest.reason, message=message
    )
