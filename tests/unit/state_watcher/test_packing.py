"""Events in few bytes: nothing is lost, and what many runs have alike is held once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from runbus.contracts.identity import child_traceparent, event_id
from runbus.contracts.states import EventType, Kind, OutcomeClass, Role, RunState
from runbus.contracts.status import AbortCause, Limit, PodRef, RetryPolicy, RunStatus
from runbus.runtime.runlog import RunRecord
from runbus.state_watcher.packing import HeldRecord, packed_record, unpacked_record
from support.runs import a_policy, a_record, a_status, limits

# hypothesis takes bounds without a zone only.
_FIRST, _LAST = datetime(2000, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001
MOMENTS = st.datetimes(_FIRST, _LAST, timezones=st.just(UTC))
MAYBE = st.none() | MOMENTS
TEXTS = st.text(max_size=8)
NUMBERS = st.integers(0, 2**40)
SECONDS = st.floats(0, 1e9, allow_nan=False)
STATUSES = st.builds(
    RunStatus,
    run_id=TEXTS,
    project=TEXTS,
    name=TEXTS,
    kind=st.sampled_from(Kind),
    user=TEXTS,
    shard=TEXTS,
    namespace=TEXTS,
    state=st.sampled_from(RunState),
    attempt=NUMBERS,
    since=MOMENTS,
    accepted_at=MAYBE,
    admitted_at=MAYBE,
    reason=TEXTS,
    message=TEXTS,
    status_text=TEXTS,
    outcome_class=st.none() | st.sampled_from(OutcomeClass),
    exit_code=st.none() | NUMBERS,
    container=st.none() | TEXTS,
    roles=st.dictionaries(TEXTS, st.dictionaries(TEXTS, NUMBERS, max_size=2), max_size=2),
    pods=st.tuples() | st.tuples(st.builds(PodRef, name=TEXTS, role=st.sampled_from(Role))),
    thresholds=st.dictionaries(
        TEXTS, st.builds(Limit, limit_s=st.none() | SECONDS, paused_at=MAYBE), max_size=2
    ),
    deadline=MAYBE,
    deadline_of=st.none() | TEXTS,
    retry=st.builds(RetryPolicy, limit=NUMBERS, backoff_s=SECONDS),
    not_before=MAYBE,
    ttl_after_finish_s=st.none() | SECONDS,
    priority_class=st.none() | TEXTS,
    priority_rank=st.none() | NUMBERS,
    abort=st.none() | st.builds(AbortCause, by=TEXTS, since=MAYBE),
)
IDS = TEXTS | st.sampled_from(["-", "=", "abcdefghij23-1-running-7", "abcdefghij23-1-running-"])
# Right ones, and such as only look like them: of their length, in capitals, dashes elsewhere.
TRACES = st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", fullmatch=True) | (
    st.text("0123456789abcdefABCDEF- é", min_size=55, max_size=55)
)
RECORDS = st.builds(
    RunRecord,
    sequence=NUMBERS,
    event_type=TEXTS,
    event_id=IDS,
    status=STATUSES,
    traceparent=st.none() | TEXTS | TRACES,
    found_stored=st.booleans(),
)


def a_run(number: int, **fields: object) -> RunRecord:
    """Return a running run's event as it is stored; what is not given is the same for all."""
    own_id = f"run{number:09d}"
    status = a_status(
        RunState.RUNNING,
        run_id=own_id,
        thresholds=limits(running=60.0, queued=None),
        retry=a_policy(2, "user"),
        **fields,
    )
    its_id = event_id(own_id, 1, EventType.RUNNING, number)
    trace = child_traceparent(None, own_id, its_id)
    return replace(a_record(status, number), event_id=its_id, traceparent=trace)


@given(RECORDS)
def test_an_event_comes_out_as_it_was_packed(record: RunRecord) -> None:
    assert unpacked_record(packed_record(record)) == record


@given(STATUSES)
def test_an_event_comes_out_as_the_services_write_it(status: RunStatus) -> None:
    own_id = event_id(status.run_id, status.attempt, EventType.RUNNING, 7)
    record = replace(a_record(status), event_type=EventType.RUNNING.value, event_id=own_id)

    assert unpacked_record(packed_record(record)) == record


def test_what_runs_have_alike_is_held_once() -> None:
    first, second = packed_record(a_run(1)), packed_record(a_run(2))

    assert first.alike is second.alike
    assert first.own != second.own


@pytest.mark.parametrize("fields", [{"user": "me"}, {"namespace": "x"}, {"priority_rank": 1}])
def test_what_differs_is_not_shared(fields: dict[str, object]) -> None:
    first, second = packed_record(a_run(1)), packed_record(a_run(1, **fields))

    assert first.alike != second.alike


def test_a_run_of_its_own_takes_few_bytes() -> None:
    assert len(packed_record(a_run(1)).own) < 170


@given(RECORDS)
def test_state_and_namespace_are_told_without_unpacking(record: RunRecord) -> None:
    held, as_object = HeldRecord(packed_record(record)), HeldRecord(record)

    assert (held.state, held.namespace) == (record.status.state, record.status.namespace)
    assert (as_object.state, as_object.namespace) == (held.state, held.namespace)


def test_an_event_is_packed_and_unpacked_once() -> None:
    held = HeldRecord(a_run(1))
    packed = held.packed

    assert held.packed is packed
    assert HeldRecord(packed).packed is packed
    again = HeldRecord(packed)
    assert again.record is again.record
