"""Every combination of state, event, next state and publisher, against the table said again.

The table below is the normative one, restated as text and on its own: a row that the code gains,
loses or changes shows up as the exact combinations that differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from runbus.contracts.states import FINAL_STATES, EventType, Reason, RunState
from runbus.contracts.status import AbortCause, RunStatus
from runbus.contracts.transitions import (
    TRANSITIONS,
    IllegalTransitionError,
    Publisher,
    check_transition,
)

T0 = datetime(2026, 11, 1, 10, tzinfo=UTC)

GROUPS = {
    "any-pending": "pending_not_scheduled pending_scheduled image_pull_backoff",
    "with-objects": "admitted held any-pending running",
    "not-final": "accepted queued with-objects retrying aborting",
    "anyone": "spec-validator scheduler pod-launcher state-watcher aborter",
}
# from | event | to (= is "the same state") | publisher | only with this reason
TABLE = """
nothing                  | accepted              | accepted              | spec-validator |
nothing                  | rejected              | rejected              | spec-validator |
accepted queued retrying | queued                | queued                | scheduler |
accepted queued retrying | admitted              | admitted              | scheduler |
admitted                 | launched              | admitted              | pod-launcher |
admitted                 | launch_failed         | retrying error        | pod-launcher |
with-objects             | held                  | held                  | state-watcher |
with-objects             | pending_not_scheduled | pending_not_scheduled | state-watcher |
with-objects             | pending_scheduled     | pending_scheduled     | state-watcher |
with-objects             | image_pull_backoff    | image_pull_backoff    | state-watcher |
with-objects             | running               | running               | state-watcher |
not-final                | deadline_changed      | =                     | state-watcher |
with-objects aborting    | completed             | completed             | state-watcher |
with-objects aborting    | attempt_failed        | retrying error        | state-watcher |
accepted queued admitted | attempt_failed        | error                 | anyone | InternalError
not-final                | aborting              | aborting              | aborter |
aborting                 | abort_withdrawn       | with-objects          | aborter |
aborting                 | aborted               | aborted               | state-watcher |
"""

Combination = tuple[str, str, str, str, str]  # from, event, to, publisher, reason
REASONS = ("InternalError", "Error")


def _expanded(cell: str) -> list[str]:
    words = cell.split()
    while any(word in GROUPS for word in words):
        words = [inner for word in words for inner in GROUPS.get(word, word).split()]
    return words


def _legal() -> set[Combination]:
    """Return every combination that the table above allows."""
    legal: set[Combination] = set()
    for line in TABLE.strip().splitlines():
        before, event, after, publishers, reason = (cell.strip() for cell in line.split("|"))
        for source, publisher in product(_expanded(before), _expanded(publishers)):
            targets = [source] if after == "=" else _expanded(after)
            for target, given in product(targets, [reason] if reason else REASONS):
                legal.add((source, event, target, publisher, given))
    return legal


def _all() -> Iterator[Combination]:
    states = [state.value for state in RunState]
    events = [event.value for event in EventType]
    publishers = [publisher.value for publisher in Publisher]
    return product(["nothing", *states], events, states, publishers, REASONS)


def a_status(state: RunState, attempt: int = 1, **fields: Any) -> RunStatus:
    """Return a status in a state; an aborting one is a threshold's."""
    if state is RunState.ABORTING:
        fields.setdefault("abort", AbortCause(by="threshold"))
    return RunStatus(
        run_id="abcdefghij23", project="nlp", state=state, attempt=attempt, since=T0, **fields
    )


def by_user() -> RunStatus:
    """Return a run that its user aborts."""
    return a_status(RunState.ABORTING, abort=AbortCause(by="ann", by_user=True))


def is_allowed(
    before: RunStatus | None, event: EventType, after: RunStatus, publisher: Publisher
) -> bool:
    """Say whether the code lets a transition pass."""
    try:
        check_transition(before, event, after, publisher)
    except IllegalTransitionError:
        return False
    return True


def _is_allowed(combination: Combination) -> bool:
    """Judge a combination whose rules beyond the table are all kept."""
    source, event_name, target, publisher, reason = combination
    event = EventType(event_name)
    before = None if source == "nothing" else a_status(RunState(source), reason="Before")
    attempt = 0 if before is None else 2 if event is EventType.ADMITTED else 1
    after = a_status(RunState(target), attempt, reason=reason)
    if event is EventType.ABORTING:
        after = a_status(
            RunState(target), attempt, reason=reason, abort=AbortCause(by="ann", by_user=True)
        )
    return is_allowed(before, event, after, Publisher(publisher))


def test_the_code_allows_what_the_table_says_and_nothing_else() -> None:
    legal = _legal()
    allowed = {combination for combination in _all() if _is_allowed(combination)}
    assert sorted(allowed - legal) == [], "allowed, and not in the table"
    assert sorted(legal - allowed) == [], "in the table, and not allowed"


def test_nothing_follows_a_final_state_and_nothing_leads_to_an_unknown_one() -> None:
    sources = {state for row in TRANSITIONS for state in row.sources}
    targets = {state for row in TRANSITIONS for state in row.targets}
    assert FINAL_STATES.isdisjoint(sources)
    assert RunState.UNKNOWN not in sources | targets


def test_every_event_type_and_every_state_stands_in_the_table() -> None:
    assert {row.event for row in TRANSITIONS} == set(EventType)
    assert {state for row in TRANSITIONS for state in row.targets} == set(RunState) - {
        RunState.UNKNOWN
    }


@pytest.mark.parametrize(
    ("before", "event", "after", "publisher", "problem"),
    [
        pytest.param(
            a_status(RunState.RUNNING),
            EventType.DEADLINE_CHANGED,
            a_status(RunState.HELD),
            Publisher.STATE_WATCHER,
            "must not change the state",
            id="a moved deadline does not move the run",
        ),
        pytest.param(
            a_status(RunState.ACCEPTED, 0),
            EventType.ADMITTED,
            a_status(RunState.ADMITTED, 0),
            Publisher.SCHEDULER,
            "must open the next attempt",
            id="the first admission opens attempt 1",
        ),
        pytest.param(
            a_status(RunState.RETRYING, 2),
            EventType.ADMITTED,
            a_status(RunState.ADMITTED, 4),
            Publisher.SCHEDULER,
            "must open the next attempt",
            id="no attempt is left out",
        ),
        pytest.param(
            a_status(RunState.ADMITTED, 1),
            EventType.RUNNING,
            a_status(RunState.RUNNING, 2),
            Publisher.STATE_WATCHER,
            "must keep the attempt",
            id="only an admission opens an attempt",
        ),
        pytest.param(
            None,
            EventType.ACCEPTED,
            a_status(RunState.ACCEPTED, 1),
            Publisher.SPEC_VALIDATOR,
            "must not open an attempt",
            id="an accepted run has no attempt yet",
        ),
        pytest.param(
            a_status(RunState.ADMITTED),
            EventType.RUNNING,
            RunStatus(run_id="zzzzzzzzzzzz", project="nlp", state=RunState.RUNNING, since=T0),
            Publisher.STATE_WATCHER,
            "must keep the run",
            id="another run's state is no answer",
        ),
        pytest.param(
            a_status(RunState.QUEUED, reason="QuotaExceeded"),
            EventType.QUEUED,
            a_status(RunState.QUEUED, reason="QuotaExceeded"),
            Publisher.SCHEDULER,
            "must have news in its reason code",
            id="queued again only when the reason code changes",
        ),
        pytest.param(
            a_status(RunState.ABORTING),
            EventType.ABORTING,
            a_status(RunState.ABORTING),
            Publisher.ABORTER,
            "only a user's abort follows, and only a threshold's",
            id="a threshold's abort does not follow another one",
        ),
        pytest.param(
            by_user(),
            EventType.ABORTING,
            by_user(),
            Publisher.ABORTER,
            "only a user's abort follows, and only a threshold's",
            id="a user's abort is stored once",
        ),
        pytest.param(
            by_user(),
            EventType.ABORT_WITHDRAWN,
            a_status(RunState.RUNNING),
            Publisher.ABORTER,
            "a user's abort is never withdrawn",
            id="a user's abort is never withdrawn",
        ),
        pytest.param(
            a_status(RunState.ADMITTED),
            EventType.ATTEMPT_FAILED,
            a_status(RunState.ERROR, reason="Error"),
            Publisher.POD_LAUNCHER,
            "not with the reason 'Error'",
            id="who sets a message aside may not fail a run for other reasons",
        ),
    ],
)
def test_rules_that_look_at_more_than_two_states_name_what_is_wrong(
    before: RunStatus | None,
    event: EventType,
    after: RunStatus,
    publisher: Publisher,
    problem: str,
) -> None:
    with pytest.raises(IllegalTransitionError) as raised:
        check_transition(before, event, after, publisher)
    assert str(raised.value).endswith(problem)


@pytest.mark.parametrize(
    ("before", "event", "after", "publisher"),
    [
        pytest.param(
            a_status(RunState.RETRYING, 1),
            EventType.ADMITTED,
            a_status(RunState.ADMITTED, 2),
            Publisher.SCHEDULER,
            id="a retry opens attempt 2",
        ),
        pytest.param(
            a_status(RunState.QUEUED, reason="QuotaExceeded"),
            EventType.QUEUED,
            a_status(RunState.QUEUED, reason="ServiceLimitReached"),
            Publisher.SCHEDULER,
            id="queued again for another reason",
        ),
        pytest.param(
            a_status(RunState.ABORTING),
            EventType.ABORTING,
            by_user(),
            Publisher.ABORTER,
            id="a user's abort takes over a threshold's",
        ),
        pytest.param(
            a_status(RunState.RUNNING),
            EventType.ABORTING,
            a_status(RunState.ABORTING),
            Publisher.ABORTER,
            id="a threshold's abort needs no user",
        ),
        pytest.param(
            by_user(),
            EventType.COMPLETED,
            a_status(RunState.COMPLETED, abort=by_user().abort),
            Publisher.STATE_WATCHER,
            id="a program that ended before the delete has its own end",
        ),
        pytest.param(
            a_status(RunState.QUEUED, 1),
            EventType.ATTEMPT_FAILED,
            a_status(RunState.ERROR, 1, reason=Reason.INTERNAL_ERROR.value),
            Publisher.SCHEDULER,
            id="a run whose event was set aside ends",
        ),
    ],
)
def test_rules_that_look_at_more_than_two_states_let_the_right_ones_pass(
    before: RunStatus, event: EventType, after: RunStatus, publisher: Publisher
) -> None:
    check_transition(before, event, after, publisher)


def test_a_refusal_names_the_run_both_states_the_event_and_the_publisher() -> None:
    with pytest.raises(IllegalTransitionError) as raised:
        check_transition(
            a_status(RunState.COMPLETED),
            EventType.RUNNING,
            a_status(RunState.RUNNING),
            Publisher.STATE_WATCHER,
        )
    assert str(raised.value) == (
        "run abcdefghij23: running from completed to running by state-watcher:"
        " not allowed from that state"
    )
