"""What the watcher holds in memory of each run: mutable, rebuilt at every start.

Takes in records and pods in any order and as often as they come; `known` gives the snapshot that
`decide` judges. Must not know: the bus, Kubernetes' API, or what is done with a decision.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from runbus.contracts.commands import AbortRun, CleanUpObjects, KeepEvidence
from runbus.contracts.evidence import EvidenceCause
from runbus.contracts.states import EventType, RunState
from runbus.contracts.status import RunStatus
from runbus.reading.autoscaler import AutoscalerWord
from runbus.reading.objects import Pod
from runbus.reading.pods import gone
from runbus.runtime.runlog import RunRecord
from runbus.state_watcher.model import Known, PodSeen, observe, observe_gone
from runbus.state_watcher.packing import HeldRecord

_BEFORE_PODS = frozenset({RunState.ADMITTED, RunState.ABORTING})


class Tracked(Struct, kw_only=True):
    """One run. `newest` is its newest event, None for a pod whose run has not been looked up yet.

    `pods` are by uid. Everything in here can be packed and unpacked again (`holding`).
    """

    newest: HeldRecord | None = None
    pods: dict[str, PodSeen] = {}
    launched_at: datetime | None = None
    confirmed_at: datetime | None = None
    absent_at: datetime | None = None
    foreign_uid: str = ""
    abort_asked_at: datetime | None = None
    clean_up_asked: dict[str, datetime] = {}
    evidence_asked: int = 0
    evidence_asked_deleting: int = 0
    autoscaler: AutoscalerWord | None = None

    @property
    def record(self) -> RunRecord | None:
        """The run's newest event, unpacked where it was not."""
        return self.newest.record if self.newest is not None else None

    def take_record(self, record: RunRecord, now: datetime) -> bool:
        """Take the run's newest event; False if it is not news."""
        known = self.record
        if known is not None and record.sequence <= known.sequence:
            return False
        if known is None or known.status.attempt != record.status.attempt:
            self.launched_at = self.absent_at = self.confirmed_at = None
            self.autoscaler, self.foreign_uid = None, ""
        # An abort asked for by an older event is dropped by the aborter: judge again at once.
        self.abort_asked_at = None
        if self.launched_at is None and _is_launched(record):
            self.launched_at = now
        self.newest = HeldRecord(record)
        return True

    def take_pod(self, pod: Pod, seen_at: datetime, live: bool, listing: int = 0) -> bool:
        """Take a pod as it is now; False if it is older than what is known."""
        before = self.pods.get(pod.metadata.uid)
        if before is not None:
            listing = max(listing, before.listing)
        if before is not None and (before.gone or _is_older(pod, before)):
            if not before.gone:  # a list may be older than the watch: it has shown the pod
                self.pods[pod.metadata.uid] = replace(before, listing=listing)
            return False
        status = self._remembered() if before is None else None
        self.pods[pod.metadata.uid] = observe(
            before, pod, status=status, seen_at=seen_at, live=live, listing=listing
        )
        self.absent_at = None
        if pod.metadata.uid == self.foreign_uid:  # it has our labels again
            self.foreign_uid = ""
        return True

    def take_answer(self, pod: Pod, asked_at: datetime, listing: int, *, live: bool = True) -> None:
        """Take one of the attempt's pods as a question by its name found it.

        One that the watch has called gone before that is there: the watch says so of pods that have
        lost the labels it asks for. It is asked for by its name from then on.
        """
        uid = pod.metadata.uid
        before = self.pods.get(uid)
        is_unwatched = before is not None and before.unwatched
        if before is not None and before.gone:
            if asked_at <= before.entered_at or _is_older(pod, before):
                return
            self.pods[uid] = replace(before, gone=False)
            is_unwatched = True
        self.take_pod(pod, asked_at, live, listing)
        if is_unwatched:
            self.pods[uid] = replace(self.pods[uid], unwatched=True)

    def take_node(self, uid: str, *, is_spot: bool) -> None:
        """Note what sort of node a pod is on: the node may be gone later."""
        pod = self.pods.get(uid)
        if pod is not None:
            self.pods[uid] = replace(pod, spot=is_spot)

    def _remembered(self) -> RunStatus | None:
        """Return the status where it tells more of a pod than the pod does: a sticky state."""
        newest = self.newest
        if newest is None or newest.state is not RunState.IMAGE_PULL_BACKOFF:
            return None
        return newest.record.status

    def take_gone(self, pod: Pod, seen_at: datetime) -> None:
        """Take the last version of a pod that has been removed."""
        before = self.pods.get(pod.metadata.uid)
        if before is not None and before.gone:
            before = None  # known from a 404: the watch says how it ended
        status = self._remembered() if before is None else None
        self.pods[pod.metadata.uid] = observe_gone(before, pod, status=status, seen_at=seen_at)

    def take_lists(self, complete: Callable[[str], int]) -> None:
        """Mark the pods that the newest complete list of their namespace did not show."""
        for uid, pod in self.pods.items():
            if not (pod.gone or pod.missing) and pod.listing < complete(pod.namespace):
                self.pods[uid] = replace(pod, missing=True)

    def take_name(self, name: str, uid: str, seen_at: datetime) -> None:
        """Learn which pod has a name (empty: none has): others of that name are gone."""
        for pod in list(self.pods.values()):
            if pod.name == name and pod.uid != uid:
                self.take_absent(pod.uid, seen_at)

    def take_absent(self, uid: str, seen_at: datetime) -> None:
        """Mark a pod as gone: a question by its name did not find it."""
        pod = self.pods.get(uid)
        if pod is not None and not pod.gone:
            self.pods[uid] = replace(
                pod,
                gone=True,
                missing=False,
                reading=gone(pod.reading),
                entered_at=seen_at,
                live=False,
            )

    def take_sent(self, command: AbortRun | CleanUpObjects | KeepEvidence, now: datetime) -> None:
        """Remember what the aborter has been asked for."""
        match command:
            case AbortRun():
                self.abort_asked_at = now
            case CleanUpObjects():
                self.clean_up_asked.update(dict.fromkeys((o.uid for o in command.objects), now))
            case KeepEvidence(cause=EvidenceCause.DELETING):
                self.evidence_asked_deleting = command.attempt
            case KeepEvidence():
                self.evidence_asked = command.attempt
            case _:
                assert_never(command)

    def known(
        self,
        record: RunRecord,
        *,
        synced: bool,
        reachable: bool,
        watched: bool = True,
        reconnected_at: datetime | None = None,
    ) -> Known:
        """Return the snapshot to decide on."""
        return Known(
            status=record.status,
            sequence=record.sequence,
            launched_at=self.launched_at,
            pods=tuple(self.pods.values()),
            synced=synced,
            reachable=reachable,
            watched=watched,
            confirmed_at=self.confirmed_at,
            absent_at=self.absent_at,
            foreign_uid=self.foreign_uid,
            reconnected_at=reconnected_at,
            abort_asked_at=self.abort_asked_at,
            clean_up_asked=self.clean_up_asked,
            evidence_asked=self.evidence_asked,
            evidence_asked_deleting=self.evidence_asked_deleting,
            autoscaler=self.autoscaler,
        )


def _is_launched(record: RunRecord) -> bool:
    """Whether the objects exist: `launched` names them, and what follows it keeps the names."""
    if record.event_type == EventType.LAUNCHED.value:
        return True
    return record.status.state in _BEFORE_PODS and bool(record.status.pods)


def _is_older(pod: Pod, before: PodSeen) -> bool:
    """Compare versions: a question by name may be answered ahead of the watch.

    Kubernetes promises an order since 1.35; where versions are no numbers, every one is news.
    """
    new, old = pod.metadata.resource_version, before.resource_version
    return new.isdigit() and old.isdigit() and int(new) < int(old)
