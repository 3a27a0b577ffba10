"""What really happened in the cluster, seen by nobody but the simulation: pods and requests.

Invariants judge by what is stored and by when; this says whether that was true. Whoever aborts for
a limit must have found a pod that was in that state, for that long; whoever deletes must name a
uid, and must have had a reason when it judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from runbus.contracts import labels
from runbus.contracts.states import EventType, OutcomeClass, Reason, RunState
from runbus.contracts.status import PodRef, RunStatus
from runbus.reading.history import ObjectLife, Outage, RunHistory, gone_life, pod_life
from runbus.reading.late import cause_to_go
from runbus.reading.model import Reading, Sticky
from runbus.reading.objects import decode_pod
from runbus.reading.owners import attempt_of, run_of
from runbus.reading.pods import read_pod
from simulation.loop import VirtualLoop
from simulation.scenario import SPOT_NODES

# What a service read so long before it acted: its own limit of a request, and some.
READ_BEFORE = timedelta(seconds=12)
# And where nothing goes wrong.
READ_JUST_BEFORE = timedelta(seconds=0.5)
# The clock of a state may be told to begin up to a second late (timestamps are floored).
FLOOR = timedelta(seconds=1)

_PENDING = frozenset(
    {
        RunState.PENDING_NOT_SCHEDULED,
        RunState.PENDING_SCHEDULED,
        RunState.IMAGE_PULL_BACKOFF,
    }
)
_STATES_OF_PODS = _PENDING | {RunState.RUNNING}
# Whoever did not see the image state takes a pod between two pulls for one on its way.
_BETWEEN_PULLS = frozenset({RunState.PENDING_SCHEDULED, RunState.IMAGE_PULL_BACKOFF})


class Stay(Struct):
    """A pod was in a state from one moment to another; None: it still is."""

    state: RunState
    begins: datetime
    ends: datetime | None = None

    def told(self) -> str:
        """Return it in a few words."""
        begins = f"{self.state.value} from {self.begins:%M:%S.%f}"
        return f"{begins} to {self.ends:%M:%S.%f}" if self.ends is not None else f"{begins} on"


class PodTruth(Struct):
    """One pod's whole life."""

    run: str
    attempt: int
    name: str
    stays: list[Stay]
    sticky: Sticky | None = None
    reading: Reading | None = None
    plain: RunState | None = None  # as who has not seen it before reads it
    is_deleting: bool = False


class Deletion(Struct, frozen=True):
    """A delete that a service asked for and that took effect: the pod as it was by then."""

    at: datetime
    client: str
    uid: str | None
    pod: PodTruth
    reading: Reading
    plain: RunState


class Creation(Struct, frozen=True):
    """A create that a service asked for."""

    at: datetime
    run: str
    attempt: int
    name: str


class Truth:
    """Takes down what happens to pods."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._pods: dict[str, PodTruth] = {}
        self._lives: dict[str, ObjectLife] = {}
        self._asked: tuple[str, str, str | None] | None = None
        self._deletions: list[Deletion] = []
        self._creations: list[Creation] = []

    @property
    def lives(self) -> list[ObjectLife]:
        """The lives of all pods of runs."""
        return list(self._lives.values())

    def on_pod(self, kind: str, obj: dict[str, Any]) -> None:
        """Take down a change."""
        pod = decode_pod(msgspec.json.encode(obj))
        owner, uid, now = run_of(pod), pod.metadata.uid, self._loop.wall()
        if owner is None:
            return
        truth = self._pods.setdefault(
            uid, PodTruth("/".join(owner), attempt_of(pod), pod.metadata.name, [])
        )
        is_deleting = kind == "DELETED" or pod.metadata.deletion_timestamp is not None
        if is_deleting and not truth.is_deleting:
            truth.is_deleting = True
            self._take_deletion(truth, now)
        if kind == "DELETED":
            truth.stays[-1].ends = truth.stays[-1].ends or now
            self._lives[uid] = gone_life(self._lives[uid], now)
            return
        reading = truth.reading = read_pod(pod, truth.sticky)
        truth.sticky = reading.sticky
        truth.plain = read_pod(pod).state
        if not truth.stays or truth.stays[-1].state is not reading.state:
            if truth.stays:
                truth.stays[-1].ends = now
            truth.stays.append(Stay(reading.state, now))
        life = pod_life(self._lives.get(uid), pod, now)
        if life is not None:
            self._lives[uid] = life

    def on_sent(self, _client: str, method: str, _path: str, data: bytes | None) -> None:
        """Take down a create, as it is asked for."""
        if method == "POST" and data:
            meta = msgspec.json.decode(data)["metadata"]
            told = meta["labels"]
            run = f"{told[labels.PROJECT]}/{told[labels.RUN_ID]}"
            attempt = int(told[labels.ATTEMPT])
            self._creations.append(Creation(self._loop.wall(), run, attempt, meta["name"]))

    def on_request(self, client: str, method: str, path: str, data: bytes | None) -> None:
        """Take down who asks for what, just before it is carried out."""
        self._asked = None
        if method == "DELETE":
            body = msgspec.json.decode(data) if data else {}
            uid = (body.get("preconditions") or {}).get("uid")
            self._asked = (client, path.rpartition("/")[2], uid)

    def on_answered(self) -> None:
        """Take note that the request is carried out: what happens next is somebody else's."""
        self._asked = None

    def _take_deletion(self, truth: PodTruth, now: datetime) -> None:
        if self._asked is None or self._asked[1] != truth.name:
            return
        assert truth.reading is not None
        assert truth.plain is not None
        client, _, uid = self._asked
        self._deletions.append(Deletion(now, client, uid, truth, truth.reading, truth.plain))

    # Judging.

    def untrue(self, run: RunHistory, outages: Sequence[Outage]) -> Iterator[str]:
        """Yield what was stored or done about a run and had no ground."""
        for event in run.events:
            cause = event.status.abort
            is_limit = cause is not None and cause.reason == Reason.THRESHOLD_EXCEEDED.value
            if event.event_type == EventType.ABORTING.value and is_limit:
                yield from self._unfounded(run, event.status, outages)
            ends = event.event_type == EventType.ATTEMPT_FAILED.value
            for ref in event.status.pods:
                yield from self._misplaced(ref, event.status, ends=ends, was_blind=bool(outages))
        for deletion in self._deletions:
            if deletion.pod.run == run.run:
                yield from _unjustified(run, deletion)
        for creation in self._creations:
            is_judged = not any(o.begins <= creation.at <= o.ends for o in outages)
            if creation.run == run.run and is_judged:
                yield from _uncalled_for(run, creation)

    def _misplaced(
        self, ref: PodRef, status: RunStatus, *, ends: bool, was_blind: bool
    ) -> Iterator[str]:
        """Judge what is said of a pod's node, and whether its end was named a reclaim rightly.

        Where something went wrong nobody may have been able to tell what sort of node it was.
        """
        truth = self._pods.get(ref.uid or "")
        if truth is None or truth.reading is None:
            return
        is_spot = truth.reading.node_name in SPOT_NODES
        if ref.spot is not None and ref.spot is not is_spot:
            yield f"{ref.name} is said to be on a spot node ({ref.spot}), and is not so"
        by_platform = status.outcome_class is OutcomeClass.INFRASTRUCTURE
        is_named = status.reason == Reason.SPOT_RECLAIMED.value
        if ends and is_named and not (is_spot and by_platform):
            yield f"{ref.name} was not reclaimed, as is said of it"
        if ends and is_spot and by_platform and not is_named and (ref.spot or not was_blind):
            yield f"{ref.name} was reclaimed, and the reason told is {status.reason}"

    def _unfounded(
        self, run: RunHistory, status: RunStatus, outages: Sequence[Outage]
    ) -> Iterator[str]:
        """Judge an abort by a limit: some pod of the attempt was in that state for that long."""
        cause = status.abort
        assert cause is not None
        if cause.state not in _STATES_OF_PODS or cause.since is None or cause.limit_s is None:
            return
        if cause.since == status.accepted_at:
            return  # the limit `total` counts from the beginning
        deadline = cause.since + timedelta(seconds=cause.limit_s)
        was_blind = any(o.begins <= deadline and o.ends >= cause.since for o in outages)
        pods = [p for p in self._pods.values() if (p.run, p.attempt) == (run.run, status.attempt)]
        for pod in pods:
            for stay in _merged(pod.stays) if was_blind else pod.stays:
                fits = stay.state is cause.state or (was_blind and stay.state in _BETWEEN_PULLS)
                in_time = stay.begins <= cause.since + FLOOR
                if fits and in_time and (stay.ends is None or stay.ends >= deadline):
                    return
        shown = ", ".join(stay.told() for pod in pods for stay in pod.stays)
        yield (
            f"was aborted for {cause.limit_s:g} s in {cause.state} from"
            f" {cause.since:%M:%S.%f} on, and its pods were {shown or 'never there'}"
        )


def _merged(stays: list[Stay]) -> list[Stay]:
    """Return stays with those before and between pulls as one."""
    found: list[Stay] = []
    for stay in stays:
        last = found[-1] if found else None
        if last is not None and {last.state, stay.state} <= _BETWEEN_PULLS:
            last.ends = stay.ends
        else:
            found.append(Stay(stay.state, stay.begins, stay.ends))
    return found


def _unjustified(run: RunHistory, deletion: Deletion) -> Iterator[str]:
    pod, reading = deletion.pod, deletion.reading
    if deletion.uid is None:
        yield f"{deletion.client} deleted {pod.name} without naming its uid"
    stands = _statuses_around(run, deletion.at)
    if not any(cause_to_go(status, pod.attempt, reading) for status in stands):
        told = " or ".join(dict.fromkeys(status.state.value for status in stands))
        yield f"{deletion.client} deleted {pod.name}, which might stay: the run was {told}"
    elif not reading.ended:
        judged = _fenced_state(stands[-1], pod.attempt)
        if judged is not None and judged not in {reading.state, deletion.plain}:
            yield (
                f"{deletion.client} deleted {pod.name} for {judged.value}, and it was"
                f" {reading.state.value} by then"
            )


def _uncalled_for(run: RunHistory, creation: Creation) -> Iterator[str]:
    """Judge a create: just before it was asked for, the run was admitted for that attempt."""
    stands = _statuses_around(run, creation.at, READ_JUST_BEFORE)
    if not any(
        status.state is RunState.ADMITTED and status.attempt == creation.attempt
        for status in stands
    ):
        told = stands[-1].state.value if stands else "unknown"
        yield f"{creation.name} was created, and its run was {told}"


def _fenced_state(status: RunStatus, attempt: int) -> RunState | None:
    """Return the state that a pod had to be in for its delete; None where it did not matter."""
    cause = status.abort
    if status.state is not RunState.ABORTING or cause is None or cause.by_user:
        return None
    return cause.state if status.attempt == attempt and cause.state in _PENDING else None


def _statuses_around(
    run: RunHistory, at: datetime, before: timedelta = READ_BEFORE
) -> list[RunStatus]:
    """Return where a run stood when a service may have judged it: then, and a while before."""
    found: list[RunStatus] = []
    for event in run.events:
        assert event.stored_at is not None
        if event.stored_at > at:
            break
        if event.stored_at < at - before:
            found.clear()
        found.append(event.status)
    return found
