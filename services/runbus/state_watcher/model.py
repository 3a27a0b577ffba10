"""PURE: what the watcher knows of a run and its pods, and what it decides to do.

Values only. Must not know: how they were fetched, or how a decision is carried out.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from runbus.contracts.commands import AbortRun, CleanUpObjects, KeepEvidence
from runbus.contracts.events import RunEvent
from runbus.contracts.states import EventType, RunState
from runbus.contracts.status import RunStatus
from runbus.reading.autoscaler import AutoscalerWord
from runbus.reading.ends import ended_on_its_own
from runbus.reading.model import Reading, Sticky
from runbus.reading.objects import Pod
from runbus.reading.owners import attempt_of
from runbus.reading.pods import read_gone, read_pod


class PodSeen(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, array_like=True):
    """A pod as last seen.

    `appeared_at` is when the watcher first saw it, `entered_at` when it first saw it in the state
    it shows, `live` whether it saw the change itself (False: found by a list, or after a gap in the
    watch), `listing` which list had been begun last. `missing`: a list did not show it, which may
    be older than the pod, so that it is no proof. `gone`: the object is not in the cluster any
    more, by the watch or by its name.
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
    forced: bool = False
    missing: bool = False
    gone: bool = False

    @property
    def own_end(self) -> bool:
        """Whether the program ended before anybody asked for the pod's deletion."""
        return ended_on_its_own(self.reading)


class Known(Struct, frozen=True, kw_only=True):
    """A run as the decision sees it: a snapshot.

    `pods` holds every attempt's. `synced`: the list of pods is complete. `reachable`: the API
    server answers. `watched`: the run's namespace is one of those watched. `confirmed_at`: when
    the API server was last asked for this run's pod by name (the view is as new as that).
    `absent_at`: when such a question was answered with 404; `foreign`: an object of that name
    exists and is not the run's. `autoscaler`: what one said of the pod, when that was last asked.
    The rest is what was asked of the aborter, and when.
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
    foreign: bool = False
    abort_asked_at: datetime | None = None
    clean_up_asked: dict[str, datetime] = {}
    evidence_asked: int = 0
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
        listing: the number of the list that was begun last.

    """
    reading = read_pod(pod, _sticky(before, pod, status))
    same = before is not None and before.reading.state is reading.state
    assert before is None or not before.gone, "a uid never comes back"
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
        deletion_at=pod.metadata.deletion_timestamp,
        forced=_is_forced(pod),
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
        forced=last.forced,
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


def _is_forced(pod: Pod) -> bool:
    """Whether the last deletion was with grace 0 although something still ran."""
    ending = pod.metadata.deletion_timestamp is not None
    return ending and pod.metadata.deletion_grace_period_seconds == 0
