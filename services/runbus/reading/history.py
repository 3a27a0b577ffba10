"""What is known of runs afterwards: their events as stored, the lives of their objects.

The material that `invariants` judges, as a `World`. Whoever gathers it (a test, the simulation,
`runbus doctor`) makes it from messages and pods with the functions below. Must not know: where
messages and pods come from, the time of day, or what must hold of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from runbus.contracts import codec, envelope, subjects
from runbus.contracts.events import RunAccepted, RunRejected
from runbus.contracts.replies import DeadLetter
from runbus.contracts.states import EventType, RunState
from runbus.contracts.status import RunStatus
from runbus.reading.objects import Pod
from runbus.reading.owners import attempt_of, run_of
from runbus.reading.pods import read_pod

SOURCE_PREFIX = "/runbus/"
_EXPECTED_SEQUENCE = "Nats-Expected-Last-Subject-Sequence"


class StoredEvent(Struct, frozen=True, kw_only=True):
    """One event as the stream holds it.

    `publisher` is the service's name; `expected` the run's last sequence that it was stored with
    (0: none before it), None where that is not known. The last two only of verdicts.
    """

    sequence: int
    event_type: str
    status: RunStatus
    publisher: str
    event_id: str = ""
    expected: int | None = None
    stored_at: datetime | None = None
    idempotency_key: str | None = None
    document_hash: str = ""


class ObjectLife(Struct, frozen=True, kw_only=True):
    """One object of a run from its appearance to its end, as one observer saw it.

    None is "not yet". `started_at`: its program was seen to run; `ended_at`: all of it has ended,
    the object may stay; `deletion_asked_at`: its deletion was; `gone_at`: it left the cluster.
    """

    run: str
    attempt: int
    name: str
    uid: str
    appeared_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    deletion_asked_at: datetime | None = None
    grace_s: float = 0.0
    gone_at: datetime | None = None

    @property
    def is_there(self) -> bool:
        """Whether the object is still in the cluster."""
        return self.gone_at is None

    @property
    def over_at(self) -> datetime | None:
        """When nothing of it ran any more: it ended, or was gone."""
        found = [at for at in (self.ended_at, self.gone_at) if at is not None]
        return min(found, default=None)


class RunHistory(Struct, frozen=True, kw_only=True):
    """One run: its events in the order of the stream, and all its objects."""

    run: str
    events: tuple[StoredEvent, ...] = ()
    objects: tuple[ObjectLife, ...] = ()

    @property
    def status(self) -> RunStatus | None:
        """Where the run stands; None where it has no event."""
        return self.events[-1].status if self.events else None


class Request(Struct, frozen=True, kw_only=True):
    """What a client asked for, and the verdict that it was given."""

    run: str
    accepted: bool
    key: str | None = None
    document_hash: str = ""


class Backlog(Struct, frozen=True, kw_only=True):
    """What a consumer has not been delivered, or has not answered for."""

    consumer: str
    waiting: int = 0
    in_hand: int = 0


class Outage(Struct, frozen=True):
    """A time in which something was killed, cut off or not yet back: no time limit runs in it."""

    begins: datetime
    ends: datetime


class Allowances(Struct, frozen=True, kw_only=True):
    """How long things may take. None: not judged.

    `late_s` is the product's promise for objects that have to go; `slack_s` is added to it for a
    machine too busy to keep promises, or for clocks that differ. `decided_p99_ms`: from a deadline
    to its decision. `stuck_after_s`: how long a run may stand where somebody has to move it on,
    while the world is not settled; `aborting_after_s`: the same of an abort under way (a node that
    does not answer is given minutes).
    """

    late_s: float = 1.0
    slack_s: float = 0.0
    decided_p99_ms: float | None = None
    stuck_after_s: float | None = None
    aborting_after_s: float | None = None


class World(Struct, frozen=True, kw_only=True):
    """All that is known at one moment. What is left out is not judged.

    `settled`: everything is back and has had its time, so whatever can end must have ended.
    """

    now: datetime
    runs: Sequence[RunHistory] = ()
    requests: Sequence[Request] = ()
    dead_letters: Sequence[DeadLetter] = ()
    backlogs: Sequence[Backlog] = ()
    outages: Sequence[Outage] = ()
    allowances: Allowances = Allowances()
    settled: bool = False

    def due(self, start: datetime, seconds: float) -> datetime:
        """Return when something has to be done that may take so long from a moment on.

        The slack is added, and time within an outage is not counted.
        """
        end = start + timedelta(seconds=seconds + self.allowances.slack_s)
        for outage in sorted(self.outages, key=lambda each: each.begins):
            if outage.ends > start and outage.begins < end:
                end += outage.ends - max(start, outage.begins)
                start = outage.ends
        return end


def run_key(project: str, run_id: str) -> str:
    """Return how a run is called here: `<project>/<run id>`."""
    return f"{project}/{run_id}"


def stored_event(
    subject: str,
    sequence: int,
    headers: Mapping[str, str],
    data: bytes,
    stored_at: datetime | None = None,
) -> StoredEvent:
    """Return an event from its message on the events stream.

    Raises:
        ValueError: the subject, the body or the expected sequence cannot be read.

    """
    tokens = subjects.parse_event(subject)
    attributes = envelope.from_headers(headers)
    expected = envelope.header(headers, _EXPECTED_SEQUENCE)
    key, document_hash = _request_of(tokens.event_type, data)
    return StoredEvent(
        sequence=sequence,
        event_type=tokens.event_type,
        status=codec.decode_status(data),
        publisher=attributes.source.removeprefix(SOURCE_PREFIX),
        event_id=attributes.id,
        expected=int(expected) if expected is not None else None,
        stored_at=stored_at,
        idempotency_key=key,
        document_hash=document_hash,
    )


def _request_of(event_type: str, data: bytes) -> tuple[str | None, str]:
    if event_type not in {EventType.ACCEPTED.value, EventType.REJECTED.value}:
        return None, ""
    match codec.decode_event(EventType(event_type), data):
        case RunAccepted(idempotency_key=key, document_hash=document_hash):
            return key, document_hash
        case RunRejected(idempotency_key=key):
            return key, ""
        case _:
            return None, ""


def pod_life(before: ObjectLife | None, pod: Pod, seen_at: datetime) -> ObjectLife | None:
    """Return a pod's life as far as it has come; None where the pod is no run's.

    Args:
        before: its life as last known.
        pod: as it is now.
        seen_at: when that was seen.

    """
    owner = run_of(pod)
    if owner is None:
        return None
    meta, reading = pod.metadata, read_pod(pod)
    life = before or ObjectLife(
        run=run_key(*owner),
        attempt=attempt_of(pod),
        name=meta.name,
        uid=meta.uid,
        appeared_at=seen_at,
    )
    has_started = reading.state is RunState.RUNNING or reading.started_at is not None
    is_asked = meta.deletion_timestamp is not None
    return replace(
        life,
        started_at=life.started_at or (seen_at if has_started else None),
        ended_at=life.ended_at or (seen_at if reading.pod_ended else None),
        deletion_asked_at=life.deletion_asked_at or (seen_at if is_asked else None),
        grace_s=float(meta.deletion_grace_period_seconds or life.grace_s),
    )


def gone_life(before: ObjectLife, seen_at: datetime) -> ObjectLife:
    """Return the life of an object that has left the cluster."""
    return before if before.gone_at is not None else replace(before, gone_at=seen_at)


def histories(
    events: Iterable[StoredEvent], lives: Iterable[ObjectLife] = ()
) -> tuple[RunHistory, ...]:
    """Return the histories of runs from all events, in the stream's order, and all objects."""
    by_run: dict[str, tuple[list[StoredEvent], list[ObjectLife]]] = {}
    for event in events:
        key = run_key(event.status.project, event.status.run_id)
        by_run.setdefault(key, ([], []))[0].append(event)
    for life in lives:
        by_run.setdefault(life.run, ([], []))[1].append(life)
    return tuple(
        RunHistory(run=run, events=tuple(found), objects=tuple(objects))
        for run, (found, objects) in by_run.items()
    )
