"""PURE: what the watcher knows of a run and its pods, and what it decides to do.

Values only. Must not know: how they were fetched, or how a decision is carried out.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from runbus.contracts.commands import AbortRun, CleanUpObjects, KeepEvidence
from runbus.contracts.events import RunEvent
from runbus.contracts.states import OBJECT_STATES, EventType, RunState
from runbus.contracts.status import RunStatus
from runbus.reading.autoscaler import AutoscalerWord
from runbus.reading.ends import ended_on_its_own
from runbus.reading.model import Reading, Sticky
from runbus.reading.objects import Pod
from runbus.reading.owners import attempt_of
from runbus.reading.pods import read_gone, read_pod

_WITH_PODS = OBJECT_STATES | {RunState.ABORTING}


class PodSeen(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, array_like=True):
    """A pod as last seen.

    `appeared_at` is when the watcher first saw it, `entered_at` when it first saw it in the state
    it shows, `live` whether it saw the change itself (False: found by a list, or after a gap in the
    watch), `listing` the newest list that cannot miss it. `deletion_at` is when the grace of its
    deletion ends, `forced_at` when it was first seen deleted with grace 0, which does not move that
    end. `spot`: whether its node is a spot node; None: not known, or the run's status knows it.
    `missing`: a list did not show it, which may be older than the pod, so that it is no proof.
    `gone`: the object is not in the cluster any more, by the watch or by its name. `unwatched`: it
    is there by its name, and the watch has said that it is gone: its labels were taken off.
    """

    name: str
    namespace: str
    uid: str
    resource_version: str
    attempt: int
    reading: Reading
    appeared_at: datetime
    entered_at: datetime
    live: bool
    listing: int = 0
    deletion_at: datetime | None = None
    forced_at: datetime | None = None
    spot: bool | None = None
    missing: bool = False
    gone: bool = False
    unwatched: bool = False

    @property
    def own_end(self) -> bool:
        """Whether the program ended before anybody asked for the pod's deletion."""
        return ended_on_its_own(self.reading)


class Known(Struct, frozen=True, kw_only=True):
    """A run as the decision sees it: a snapshot.

    `pods` holds every attempt's. `synced`: the list of pods is complete. `reachable`: the API
    server answers. `watched`: the run's namespace is one of those watched. `confirmed_at`: when
    the API server was last asked for this run's pod by name (the view is as new as that).
    `absent_at`: when such a question was answered with 404; `foreign_uid`: of an object of that
    name that is not the run's. `reconnected_at`: when the API server was last back after it had
    not answered. `is_node_lost`: the current pod's node is gone or may not be read, so that nobody
    can say what sort of node it is. `autoscaler`: what one said of the pod, when that was last
    asked. The rest is what was asked of the aborter, and when, or for which attempt.
    """

    status: RunStatus
    sequence: int
    launched_at: datetime | None = None
    pods: tuple[PodSeen, ...] = ()
    synced: bool = False
    reachable: bool = True
    watched: bool = True
    confirmed_at: datetime | None = None
    absent_at: datetime | None = None
    foreign_uid: str = ""
    reconnected_at: datetime | None = None
    is_node_lost: bool = False
    abort_asked_at: datetime | None = None
    clean_up_asked: dict[str, datetime] = {}
    evidence_asked: int = 0
    evidence_asked_deleting: int = 0
    autoscaler: AutoscalerWord | None = None

    @property
    def current(self) -> PodSeen | None:
        """The pod of the current attempt: one that is there, else the last that was."""
        found: PodSeen | None = None
        for pod in self.pods:
            if pod.attempt != self.status.attempt:
                continue
            if found is None or (found.gone, pod.appeared_at) > (pod.gone, found.appeared_at):
                found = pod
        return found

    @property
    def on_unknown_node(self) -> PodSeen | None:
        """The current pod, if whether its node is a spot node matters and is not known."""
        if not self.status.spot_labels or self.status.state not in _WITH_PODS:
            return None
        pod = self.current
        if pod is None or not pod.reading.node_name or self.is_spot(pod) is not None:
            return None
        return pod

    def is_spot(self, pod: PodSeen | None) -> bool | None:
        """Whether the node of a pod (None: of the one that the status names) is a spot node."""
        if pod is not None and pod.spot is not None:
            return pod.spot
        refs = (each for each in self.status.pods if pod is None or each.uid == pod.uid)
        return next((each.spot for each in refs), None)


class Publish(Struct, frozen=True):
    """Store an event, then decide again."""

    event_type: EventType
    event: RunEvent


class Look(Struct, frozen=True):
    """Ask the API server for a pod by name, then decide again."""

    namespace: str
    name: str


class AskEvents(Struct, frozen=True):
    """Ask for the Kubernetes events of a pod, once, then decide again."""

    namespace: str
    uid: str


class Command(Struct, frozen=True):
    """Send a command to the aborter."""

    body: AbortRun | CleanUpObjects | KeepEvidence


class Decision(Struct, frozen=True, kw_only=True):
    """What to do about a run now.

    Commands are sent first, then at most one of `publish`, `look` and `ask` is done and the run
    decided again. `wake_at`: when to decide again if nothing happens. `forget`: nothing is left.
    """

    commands: tuple[Command, ...] = ()
    publish: Publish | None = None
    look: Look | None = None
    ask: AskEvents | None = None
    wake_at: datetime | None = None
    forget: bool = False


def observe(
    before: PodSeen | None,
    pod: Pod,
    *,
    status: RunStatus | None,
    seen_at: datetime,
    live: bool,
    listing: int = 0,
) -> PodSeen:
    """Return a pod as seen now.

    Args:
        before: the same pod as last seen.
        pod: the object.
        status: the run's status, which remembers a sticky image state over restarts.
        seen_at: when the object arrived here.
        live: whether it arrived on a watch that was up to date.
        listing: the number of the newest list that cannot miss it.

    """
    reading = read_pod(pod, _sticky(before, pod, status))
    same = before is not None and before.reading.state is reading.state
    assert before is None or not before.gone, "a uid never comes back"
    forced_at = (before.forced_at if before is not None else None) or seen_at
    is_forced = _is_forced(pod)
    return PodSeen(
        name=pod.metadata.name,
        namespace=pod.metadata.namespace,
        uid=pod.metadata.uid,
        resource_version=pod.metadata.resource_version,
        attempt=attempt_of(pod),
        reading=reading,
        appeared_at=before.appeared_at if before is not None else seen_at,
        entered_at=before.entered_at if same and before is not None else seen_at,
        live=before.live if same and before is not None else live,
        listing=listing,
        deletion_at=_grace_ends_at(before, pod, is_forced=is_forced),
        forced_at=forced_at if is_forced else None,
        spot=before.spot if before is not None else None,
    )


def observe_gone(
    before: PodSeen | None, pod: Pod, *, status: RunStatus | None, seen_at: datetime
) -> PodSeen:
    """Return a pod whose object has left the cluster, from its last version."""
    last = observe(before, pod, status=status, seen_at=seen_at, live=True)
    return PodSeen(
        name=last.name,
        namespace=last.namespace,
        uid=last.uid,
        resource_version=last.resource_version,
        attempt=last.attempt,
        reading=read_gone(pod),
        appeared_at=last.appeared_at,
        entered_at=seen_at,
        live=True,
        deletion_at=last.deletion_at,
        forced_at=last.forced_at,
        spot=last.spot,
        gone=True,
    )


def _sticky(before: PodSeen | None, pod: Pod, status: RunStatus | None) -> Sticky | None:
    if before is not None:
        return before.reading.sticky
    if (
        status is not None
        and status.state is RunState.IMAGE_PULL_BACKOFF
        and status.attempt == attempt_of(pod)
    ):
        return Sticky(status.container or "", status.reason, status.message)
    return None


def _grace_ends_at(before: PodSeen | None, pod: Pod, *, is_forced: bool) -> datetime | None:
    """Return when a deletion's grace ends: a forced one's shows no more than when it was asked."""
    if is_forced and before is not None and before.deletion_at is not None:
        return before.deletion_at
    return pod.metadata.deletion_timestamp


def _is_forced(pod: Pod) -> bool:
    """Whether the last deletion was with grace 0 although something still ran."""
    ending = pod.metadata.deletion_timestamp is not None
    return ending and pod.metadata.deletion_grace_period_seconds == 0
