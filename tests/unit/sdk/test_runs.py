"""Which run a text means, and what a stored message says about a run."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from runbus.contracts import codec, identity, subjects
from runbus.contracts.envelope import Envelope, to_headers
from runbus.contracts.events import EVENT_STRUCTS, ce_type
from runbus.contracts.states import EventType, RunState
from runbus.sdk.bus import StoredMessage
from runbus.sdk.runs import (
    AmbiguousRunError,
    EventRecord,
    RunNotFoundError,
    RunRecord,
    cloud_event,
    event_of,
    event_sequence,
    pick_run,
    record_of,
)
from support.runs import T0, a_status

RUNS = [
    RunRecord(
        status=a_status(RunState.RUNNING, run_id=run_id, project=project, name=name),
        event_type="running",
        sequence=sequence,
    )
    for sequence, (project, run_id, name) in enumerate(
        [
            ("nlp", "aaaaaaaaaaaa", "tune"),
            ("nlp", "aabbbbbbbbbb", "eval"),
            ("nlp", "cccccccccccc", "eval"),
            ("vision", "dddddddddddd", "tune"),
            ("vision", "eeeeeeeeeeee", "aaa"),
        ],
        start=1,
    )
]


@pytest.mark.parametrize(
    ("text", "run_id"),
    [
        ("cccccccccccc", "cccccccccccc"),
        ("nlp/cccccccccccc", "cccccccccccc"),
        ("cc", "cccccccccccc"),
        ("nlp/tune", "aaaaaaaaaaaa"),
        ("vision/tune", "dddddddddddd"),
        ("vision/d", "dddddddddddd"),
        ("aaa", "eeeeeeeeeeee"),  # a name goes before the start of an id
        ("aaaa", "aaaaaaaaaaaa"),
    ],
)
def test_a_text_that_fits_one_run_means_that_run(text: str, run_id: str) -> None:
    assert pick_run(text, RUNS).status.run_id == run_id


@pytest.mark.parametrize("text", ["x", "nlp/dddddddddddd", "other/tune", "", "nlp/", "/"])
def test_a_text_that_fits_no_run_says_so(text: str) -> None:
    with pytest.raises(RunNotFoundError, match="no run fits"):
        pick_run(text, RUNS)


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("tune", ["vision/dddddddddddd", "nlp/aaaaaaaaaaaa"]),
        ("eval", ["nlp/cccccccccccc", "nlp/aabbbbbbbbbb"]),
        ("aa", ["nlp/aabbbbbbbbbb", "nlp/aaaaaaaaaaaa"]),
    ],
)
def test_a_text_that_fits_several_runs_lists_them_newest_first(
    text: str, candidates: list[str]
) -> None:
    with pytest.raises(AmbiguousRunError) as raised:
        pick_run(text, RUNS)
    assert [each.ref for each in raised.value.candidates] == candidates


def test_the_sequence_of_a_copied_entry_is_that_of_the_event_and_not_the_buckets() -> None:
    copied = {"Nats-Stream-Source": "RUNBUS_EVENTS 41 runbus.v1.run.*.*.*.* $KV.runs.* "}
    assert event_sequence(StoredMessage("$KV.runs.nlp.x", 7, b"", copied)) == 41
    assert event_sequence(StoredMessage("runbus.v1.run.nlp.x.00.running", 7, b"", {})) == 7


def a_message(event_type: EventType, state: RunState = RunState.RUNNING) -> StoredMessage:
    """Return an event as RUNBUS_EVENTS holds it."""
    status = a_status(state)
    subject = subjects.event(
        status.project, status.run_id, identity.shard_of(status.run_id), event_type
    )
    envelope = Envelope(
        id="e-1", type=ce_type(event_type), source="runbus/test", subject=status.run_id, time=T0
    )
    body = codec.encode(EVENT_STRUCTS[event_type](status=status))
    return StoredMessage(subject, 12, body, to_headers(envelope), datetime.now(UTC))


def test_an_event_gives_the_record_of_its_run() -> None:
    record = record_of(a_message(EventType.RUNNING))
    assert (record.event_type, record.sequence, record.updated_at) == ("running", 12, T0)
    assert record.ref == "nlp/abcdefghij23"


def test_an_event_of_a_newer_release_can_still_be_read() -> None:
    message = a_message(EventType.RUNNING)
    newer = StoredMessage(
        message.subject.replace(".running", ".suspended"),
        message.sequence,
        message.data,
        {**message.headers, "ce-type": "dev.runbus.run.suspended.v1"},
    )
    event = event_of(newer)
    assert (event.event_type, event.status.state) == ("suspended", RunState.RUNNING)
    with pytest.raises(codec.UnknownTypeError):
        event.decoded()


def test_an_event_gives_its_own_struct_when_asked() -> None:
    event = event_of(a_message(EventType.COMPLETED, RunState.COMPLETED))
    assert event.decoded().status.state is RunState.COMPLETED


def test_a_strange_time_in_the_envelope_does_not_hide_a_run() -> None:
    message = a_message(EventType.RUNNING)
    strange = StoredMessage(
        message.subject, 1, message.data, {**message.headers, "ce-time": "yesterday"}, T0
    )
    assert record_of(strange).updated_at == T0


def test_a_cloud_event_has_all_required_attributes_and_the_body_as_it_was() -> None:
    event: EventRecord = event_of(a_message(EventType.RUNNING))
    decoded = msgspec.json.decode(msgspec.json.encode(cloud_event(event)))
    assert {key: decoded[key] for key in ("specversion", "id", "type", "source", "sequence")} == {
        "specversion": "1.0",
        "id": "e-1",
        "type": "dev.runbus.run.running.v1",
        "source": "runbus/test",
        "sequence": "12",
    }
    assert decoded["data"]["status"]["run_id"] == event.run_id
    assert decoded["time"] == "2026-11-01T10:00:00Z"
