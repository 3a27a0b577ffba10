"""What must hold of every run, always: checked afterwards, from what is stored.

    breaches = check(World(now=..., runs=..., dead_letters=..., settled=True))

1. Every accepted run that can end reaches a final state. 2. At most one attempt of a run has live
objects; late ones go at once; none is left behind. 3. Each run's events form a legal path, each
transition is stored once, a final state is never left. 4. No abort before its deadline, none late.
5. One idempotency key in one project is one run. 6. What cannot be handled is in the dead letters
with its reason, and blocks nothing.

Tests judge by this after every fault, the simulation after every step, `runbus doctor` in
production. What is not given is not judged: without objects nothing is said about objects. Must
not know: where its material comes from (`history`), or how services work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import IntEnum

from msgspec import Struct

from runbus.contracts.deadlines import clock_start, next_deadline
from runbus.contracts.identity import event_id, run_id_from_key
from runbus.contracts.replies import DeadLetter
from runbus.contracts.states import EventType, Kind, Reason, RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.transitions import IllegalTransitionError, Publisher, check_transition
from runbus.reading.history import (
    Allowances,
    Backlog,
    Request,
    RunHistory,
    StoredEvent,
    World,
    run_key,
)
from runbus.reading.object_invariants import wrong_objects

KEY_HORIZON = timedelta(days=7)
# They live until they are aborted or superseded.
NEVER_ENDING_KINDS = frozenset({Kind.NUCLIO, Kind.SERVING})
_EVENT_TYPES = frozenset(each.value for each in EventType)
_PUBLISHERS = frozenset(each.value for each in Publisher)


class Invariant(IntEnum):
    """The six, by their numbers."""

    RUNS_END = 1
    ONE_ATTEMPT = 2
    LEGAL_PATH = 3
    ABORTS_IN_TIME = 4
    ONE_RUN_PER_KEY = 5
    NOTHING_BLOCKED = 6


class Breach(Struct, frozen=True):
    """Something that must not be: which invariant, whose run (empty: nobody's), and what."""

    invariant: Invariant
    run: str
    text: str


def check(world: World) -> tuple[Breach, ...]:
    """Return every breach of the six invariants, in the order of the runs."""
    found: list[Breach] = []
    for run in world.runs:
        found += check_events(run)
        found += check_objects(run, world)
        found += _check_end(run, world)
    found += _check_ids(world.runs)
    found += _check_decided(world)
    found += _check_keys(world.runs)
    found += _check_requests(world)
    found += _check_dead_letters(world.dead_letters)
    if world.settled:
        found += _check_backlogs(world.backlogs)
    return tuple(found)


def check_objects(run: RunHistory, world: World) -> Iterator[Breach]:
    """Judge one run's objects (invariant 2)."""
    for text in wrong_objects(run, world):
        yield Breach(Invariant.ONE_ATTEMPT, run.run, text)


def check_events(run: RunHistory) -> Iterator[Breach]:
    """Judge one run's path: each event against the one before it (invariants 3 and 4)."""
    before: StoredEvent | None = None
    for event in run.events:
        for text in _illegal(before, event):
            yield Breach(Invariant.LEGAL_PATH, run.run, text)
        for text in _too_early(before, event):
            yield Breach(Invariant.ABORTS_IN_TIME, run.run, text)
        if run_key(event.status.project, event.status.run_id) != run.run:
            yield Breach(Invariant.LEGAL_PATH, run.run, f"{_named(event)} is of another run")
        before = event


# 3: a legal path, stored once.


def _illegal(before: StoredEvent | None, event: StoredEvent) -> Iterator[str]:
    expected = before.sequence if before is not None else 0
    if event.expected is not None and event.expected != expected:
        yield f"{_named(event)} was stored expecting {event.expected}, not {expected}"
    if before is not None and event.sequence <= before.sequence:
        yield f"{_named(event)} stands before {_named(before)}"
    if event.event_type not in _EVENT_TYPES:
        return  # a newer release's
    kind = EventType(event.event_type)
    status = event.status
    wanted = event_id(status.run_id, status.attempt, kind, expected)
    # Where two documents could claim one transition, a salt follows.
    if event.event_id and not (event.event_id + "-").startswith(wanted + "-"):
        yield f"{_named(event)} has the id {event.event_id}, not {wanted}"
    if before is not None and before.status.state.is_final:
        yield f"{_named(event)} follows the final state {before.status.state.value}"
    elif event.publisher not in _PUBLISHERS:
        yield f"{_named(event)} was published by {event.publisher or 'nobody'}: no such service"
    else:
        yield from _off_the_table(before.status if before else None, kind, event)


def _off_the_table(before: RunStatus | None, kind: EventType, event: StoredEvent) -> Iterator[str]:
    try:
        check_transition(before, kind, event.status, Publisher(event.publisher))
    except IllegalTransitionError as error:
        yield f"sequence {event.sequence}: {error}"


def _check_ids(runs: Iterable[RunHistory]) -> Iterator[Breach]:
    seen: dict[str, StoredEvent] = {}
    for run in runs:
        for event in run.events:
            first = seen.setdefault(event.event_id, event)
            if event.event_id and first is not event:
                text = f"{_named(event)} has the id of {_named(first)}: {event.event_id}"
                yield Breach(Invariant.LEGAL_PATH, run.run, text)


# 4: aborts in time.


def _too_early(before: StoredEvent | None, event: StoredEvent) -> Iterator[str]:
    if before is None:
        return
    old, new = before.status, event.status
    same = (old.state, old.attempt) == (new.state, new.attempt)
    if same and new.state is not RunState.ABORTING and new.since != old.since:
        moved = f"from {old.since} to {new.since}"
        yield f"{_named(event)} moves the clock of {old.state.value} {moved}"
    cause = new.abort
    if event.event_type != EventType.ABORTING.value or cause is None or cause.by_user:
        return
    if cause.reason != Reason.THRESHOLD_EXCEEDED.value:
        return
    found = next_deadline(old)
    if found is None:
        yield f"{_named(event)} is for a limit, and there was none in {old.state.value}"
        return
    deadline, key = found
    decided_at = cause.requested_at or new.since
    if decided_at < deadline or (cause.overdue_ms or 0) < 0:
        early_s = (deadline - decided_at).total_seconds()
        yield f"{_named(event)} was decided {early_s:g} s before the deadline of {key.value}"
    if cause.since != clock_start(old, key):
        yield f"{_named(event)} counts from {cause.since}, not from {clock_start(old, key)}"


def _check_decided(world: World) -> Iterator[Breach]:
    late, limit_ms = sorted(overdue_ms(world.runs)), world.allowances.decided_p99_ms
    if not late or limit_ms is None:
        return
    p99 = late[min(len(late) - 1, int(len(late) * 0.99))]
    if p99 > limit_ms:
        text = f"deadlines were decided {p99} ms late (p99 of {len(late)})"
        yield Breach(Invariant.ABORTS_IN_TIME, "", text)


def overdue_ms(runs: Iterable[RunHistory]) -> list[int]:
    """Return from deadline to decision, of every abort by a limit."""
    return [
        event.status.abort.overdue_ms
        for run in runs
        for event in run.events
        if event.event_type == EventType.ABORTING.value
        and event.status.abort is not None
        and event.status.abort.overdue_ms is not None
    ]


# 1: every run ends.


def _check_end(run: RunHistory, world: World) -> Iterator[Breach]:
    status = run.status
    if status is None or status.state.is_final or status.kind in NEVER_ENDING_KINDS:
        return
    if world.settled:
        text = f"is still {status.state.value} since {status.since}: {status.status_text}"
        yield Breach(Invariant.RUNS_END, run.run, text)
        return
    for since, limit_s, what in _duties(status, bool(run.objects), world.allowances):
        if limit_s is not None and world.now > world.due(since, limit_s):
            late_s = (world.now - since).total_seconds()
            text = f"is stuck in {status.state.value}: {what} {late_s:.0f} s ago"
            yield Breach(Invariant.RUNS_END, run.run, text)


def _duties(
    status: RunStatus, has_objects: bool, allowed: Allowances
) -> Iterator[tuple[datetime, float | None, str]]:
    """Yield what somebody has to do about a live run: since when, within how long, and what."""
    soon_s = allowed.stuck_after_s
    deadline = next_deadline(status)
    if deadline is not None:
        yield deadline[0], soon_s, f"the limit {deadline[1].value} passed"
    match status.state:
        case RunState.ACCEPTED:
            yield status.since, soon_s, "it was accepted, neither queued nor admitted,"
        case RunState.RETRYING:
            yield status.not_before or status.since, soon_s, "its next attempt was due"
        case RunState.ADMITTED if not has_objects:
            yield status.since, soon_s, "it was admitted, with no object to show,"
        case RunState.ABORTING:
            yield status.since, allowed.aborting_after_s, "its abort began"


# 5: one key, one run.


def _check_keys(runs: Iterable[RunHistory]) -> Iterator[Breach]:
    by_key: dict[tuple[str, str], list[StoredEvent]] = {}
    for run in runs:
        for event in run.events:
            if event.event_type == EventType.ACCEPTED.value and event.idempotency_key:
                by_key.setdefault((event.status.project, event.idempotency_key), []).append(event)
    for (project, key), events in by_key.items():
        wanted = run_id_from_key(project, key)
        for event in events:
            name = run_key(project, event.status.run_id)
            if event.status.run_id != wanted:
                text = f"the key {key!r} belongs to run {wanted}"
                yield Breach(Invariant.ONE_RUN_PER_KEY, name, text)
            elif event is not events[0] and _within_horizon(events[0], event):
                text = f"the key {key!r} was accepted again with {_named(event)}"
                yield Breach(Invariant.ONE_RUN_PER_KEY, name, text)


def _within_horizon(first: StoredEvent, again: StoredEvent) -> bool:
    return again.status.since - first.status.since <= KEY_HORIZON


def _check_requests(world: World) -> Iterator[Breach]:
    """Judge the verdicts that clients were given: nothing accepted is lost, no key taken twice."""
    known = {run.run for run in world.runs}
    first_by_key: dict[tuple[str, str], Request] = {}
    for request in world.requests:
        if not request.accepted:
            continue
        if request.run not in known:
            text = "was accepted, and nothing is stored of it"
            yield Breach(Invariant.RUNS_END, request.run, text)
        if request.key is None:
            continue
        project = request.run.partition("/")[0]
        first = first_by_key.setdefault((project, request.key), request)
        if request.run != first.run:
            text = f"the key {request.key!r} had been answered with run {first.run}"
            yield Breach(Invariant.ONE_RUN_PER_KEY, request.run, text)
        elif request.document_hash != first.document_hash:
            text = f"the key {request.key!r} was taken with another document"
            yield Breach(Invariant.ONE_RUN_PER_KEY, request.run, text)


# 6: nothing is blocked.


def _check_dead_letters(letters: Iterable[DeadLetter]) -> Iterator[Breach]:
    for letter in letters:
        lacking = [
            name
            for name, value in (
                ("reason", letter.reason),
                ("service", letter.service),
                ("subject", letter.subject),
            )
            if not value
        ]
        if lacking:
            text = f"a dead letter of {letter.service or letter.subject} lacks its {lacking[0]}"
            run = run_key(letter.project, letter.run_id) if letter.run_id else ""
            yield Breach(Invariant.NOTHING_BLOCKED, run, text)


def _check_backlogs(backlogs: Iterable[Backlog]) -> Iterator[Breach]:
    for backlog in backlogs:
        if backlog.waiting or backlog.in_hand:
            text = (
                f"consumer {backlog.consumer} still has {backlog.waiting} messages to deliver"
                f" and {backlog.in_hand} without an answer"
            )
            yield Breach(Invariant.NOTHING_BLOCKED, "", text)


def _named(event: StoredEvent) -> str:
    return f"{event.event_type} at sequence {event.sequence}"
