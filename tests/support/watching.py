"""A run as the watcher sees it, in the making: events and pods go in, decisions come out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from runbus.contracts import labels
from runbus.contracts.commands import AbortRun, CleanUpObjects, KeepEvidence
from runbus.contracts.status import RunStatus
from runbus.state_watcher.decide import Rules, decide
from runbus.state_watcher.model import Decision, Known
from runbus.state_watcher.tracking import Tracked
from support.pods import PodBuilder
from support.runs import PROJECT, RUN_ID, a_record, pod_name

Command = AbortRun | CleanUpObjects | KeepEvidence


class Watched:
    """One run under watch. Every step returns the run itself."""

    def __init__(self, status: RunStatus, sequence: int = 7, event_type: str = "") -> None:
        self.tracked = Tracked()
        self.synced = True
        self.reachable = True
        self.watched = True
        self.reconnected_at: datetime | None = None
        self.is_node_lost = False
        self.rules = Rules()
        self.event(status, sequence, event_type)

    def event(
        self,
        status: RunStatus,
        sequence: int,
        event_type: str = "",
        *,
        seen_at: datetime | None = None,
    ) -> Watched:
        self.tracked.take_record(a_record(status, sequence, event_type), seen_at or status.since)
        return self

    def sees(self, pod: PodBuilder, seen_at: datetime, *, live: bool = True) -> Watched:
        self.tracked.take_pod(pod.pod(), seen_at, live)
        return self

    def sees_gone(self, pod: PodBuilder, seen_at: datetime) -> Watched:
        self.tracked.take_gone(pod.pod(), seen_at)
        return self

    def confirmed(self, confirmed_at: datetime) -> Watched:
        self.tracked.confirmed_at = confirmed_at
        return self

    def absent(self, absent_at: datetime) -> Watched:
        self.tracked.absent_at = self.tracked.confirmed_at = absent_at
        self.tracked.take_name(pod_name(self.known().status.attempt), "", absent_at)
        return self

    def missing(self) -> Watched:
        """Have a list show none of the pods known."""
        self.tracked.take_lists(lambda _: 1)
        return self

    def found(self, pod: PodBuilder, asked_at: datetime) -> Watched:
        """Have a question by the pod's name find it."""
        self.tracked.confirmed_at = asked_at
        self.tracked.take_answer(pod.pod(), asked_at, 0)
        return self

    def node_is(self, *, is_spot: bool) -> Watched:
        """Learn what sort of node the pod is on."""
        pod = self.known().on_unknown_node
        assert pod is not None
        self.tracked.take_node(pod.uid, is_spot=is_spot)
        return self

    def known(self) -> Known:
        assert self.tracked.record is not None
        known = self.tracked.known(
            self.tracked.record,
            synced=self.synced,
            reachable=self.reachable,
            watched=self.watched,
            reconnected_at=self.reconnected_at,
        )
        return replace(known, is_node_lost=self.is_node_lost)

    def decide(self, now: datetime) -> Decision:
        return decide(self.known(), now, self.rules)


def ours(pod: PodBuilder, attempt: int = 1) -> PodBuilder:
    """Label and name a pod as the launcher does."""
    document = pod.document()
    document["metadata"]["name"] = pod_name(attempt)
    document["metadata"]["uid"] = f"uid-{attempt}"
    document["metadata"]["labels"] |= {
        labels.RUN_ID: RUN_ID,
        labels.PROJECT: PROJECT,
        labels.ATTEMPT: str(attempt),
    }
    return PodBuilder(document)


def version(pod: PodBuilder, number: int) -> PodBuilder:
    """Give a pod another resourceVersion."""
    document = pod.document()
    document["metadata"]["resourceVersion"] = str(number)
    return PodBuilder(document)


def published(decision: Decision) -> tuple[str, RunStatus] | None:
    """Return type and status of the event that a decision stores."""
    if decision.publish is None:
        return None
    return decision.publish.event_type.value, decision.publish.event.status


def commands(decision: Decision) -> list[Command]:
    """Return the commands that a decision sends."""
    return [command.body for command in decision.commands]


def fields(status: RunStatus, *names: str) -> dict[str, Any]:
    """Return some fields of a status, for comparing."""
    return {name: getattr(status, name) for name in names}
