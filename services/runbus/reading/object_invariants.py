"""The second invariant: at most one attempt of a run has live objects, and none is left behind.

An object is there rightly while the run stands in its attempt, admitted, held, pending or running,
and while it is being aborted. One that appears at any other time is late. Must not know: clocks;
how an object is deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from runbus.contracts.states import OBJECT_STATES, RunState
from runbus.contracts.status import RunStatus
from runbus.reading.history import ObjectLife, RunHistory, World

# What nobody did is asked for again within this.
ASKED_AGAIN_S = 5.0


def wrong_objects(run: RunHistory, world: World) -> Iterator[str]:
    """Yield what is wrong with the objects of one run."""
    yield from _overlaps(run, world.now)
    for life in run.objects:
        yield from _wrong_with(run, life, world)


def _overlaps(run: RunHistory, now: datetime) -> Iterator[str]:
    """Yield each pair of attempts that lived at once; late objects have a rule of their own."""
    lives = [life for life in run.objects if _came_in_time(run, life)]
    lives.sort(key=lambda life: (life.appeared_at, life.attempt))
    for place, first in enumerate(lives):
        end = first.over_at or now
        for second in lives[place + 1 :]:
            if second.attempt != first.attempt and second.appeared_at < end:
                yield f"{second.name} appeared {end - second.appeared_at} before {first.name} ended"


def _wrong_with(run: RunHistory, life: ObjectLife, world: World) -> Iterator[str]:
    status = run.status
    if status is None:
        yield f"{life.name} belongs to a run without any event"
        return
    if life.attempt > status.attempt:
        yield f"{life.name} is of attempt {life.attempt}, which was never admitted"
        return
    over = _has_to_go_at(run, life)
    if over is not None:
        yield from _stays_too_long(life, over, world)
    yield from _outlives_its_time(status, life, world)


def _stays_too_long(life: ObjectLife, over: tuple[datetime, str], world: World) -> Iterator[str]:
    """Judge an object that nothing justifies any more: asked to go at once, gone after its grace.

    A program that has started is given its grace; one that has not goes within the same second.
    """
    since, why = over
    due = world.due(since, world.allowances.late_s)
    asked = [at for at in (life.deletion_asked_at, life.over_at) if at is not None]
    if min(asked, default=world.now) > due:
        waited_s = (min(asked, default=world.now) - since).total_seconds()
        yield f"{life.name} {why}; nobody asked it to go for {waited_s:.2f} s"
        return
    if life.started_at is not None:
        due += timedelta(seconds=life.grace_s)
    gone_at = life.over_at or world.now
    if gone_at > due:
        yield f"{life.name} {why}, and went only {(gone_at - since).total_seconds():.2f} s later"


def _outlives_its_time(status: RunStatus, life: ObjectLife, world: World) -> Iterator[str]:
    """Judge an object that has ended: it may stay until the run's time to live has passed."""
    ttl_s = status.ttl_after_finish_s
    if not life.is_there or not status.state.is_final or ttl_s is None:
        return
    due = world.due(status.since, ttl_s + life.grace_s + ASKED_AGAIN_S)
    if life.ended_at is not None and world.now > due:
        yield f"{life.name} is still there, {world.now - status.since} after its run's end"


def _has_to_go_at(run: RunHistory, life: ObjectLife) -> tuple[datetime, str] | None:
    """Return when nothing justified an object any more, and why; None where that never was."""
    if not _came_in_time(run, life):
        return life.appeared_at, "appeared late"
    for event in run.events:
        status = event.status
        is_over = status.state.is_final or status.state is RunState.RETRYING
        if is_over and status.attempt == life.attempt and event.stored_at is not None:
            since = max(event.stored_at, life.appeared_at)
            return since, f"was left when its run went to {status.state.value}"
    return None


def _came_in_time(run: RunHistory, life: ObjectLife) -> bool:
    """Say whether the run stood in a state with objects of that attempt when it appeared.

    Where nothing says when events were stored, it is taken to have.
    """
    at_that_time = None
    for event in run.events:
        if event.stored_at is None:
            return True
        if event.stored_at > life.appeared_at:
            break
        at_that_time = event.status
    if at_that_time is None or at_that_time.attempt < life.attempt:
        return True  # clocks differ: the event that admitted it came first
    return at_that_time.attempt == life.attempt and at_that_time.state in OBJECT_STATES
