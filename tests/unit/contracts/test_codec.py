"""Bodies to Structs and back: broken ones, newer ones, and the words of later releases."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

import msgspec
import pytest

from runbus.contracts import codec
from runbus.contracts.commands import AbortRun, CleanUpCause, CleanUpObjects, ObjectFence
from runbus.contracts.events import EVENT_STRUCTS, RunRunning, ce_type, type_token
from runbus.contracts.replies import DeadLetter
from runbus.contracts.states import (
    FINAL_STATES,
    OBJECT_STATES,
    PENDING_STATES,
    EventType,
    Kind,
    OutcomeClass,
    Role,
    RunState,
    Threshold,
)
from runbus.contracts.status import Limit, RunStatus

T0 = datetime(2026, 11, 1, 10, tzinfo=UTC)
MINIMAL = (
    b'{"status": {"run_id": "abcdefghij23", "project": "nlp", "state": "%s",'
    b' "since": "2026-11-01T10:00:00Z"}}'
)
STATUS = RunStatus(run_id="abcdefghij23", project="nlp", state=RunState.RUNNING, since=T0)


def test_an_event_is_decoded_by_its_type() -> None:
    assert codec.decode_event(EventType.RUNNING, MINIMAL % b"running") == RunRunning(status=STATUS)


def test_an_event_comes_back_from_its_body() -> None:
    event = RunRunning(status=STATUS)
    assert codec.decode_event(EventType.RUNNING, codec.encode(event)) == event


def test_the_status_of_an_event_is_read_without_its_type() -> None:
    body = (MINIMAL % b"running").replace(b'{"status"', b'{"news": [1, {"a": 2}], "status"')
    assert codec.decode_status(body) == STATUS


@pytest.mark.parametrize("event_type", EventType)
def test_the_last_token_of_a_subject_names_the_event_type(event_type: EventType) -> None:
    assert codec.event_type_of(event_type.value) is event_type


@pytest.mark.parametrize("token", ["teleported", "", "RUNNING", "running "])
def test_an_event_type_of_a_later_release_is_told_apart_from_a_broken_message(token: str) -> None:
    with pytest.raises(codec.UnknownTypeError, match="not known to this release"):
        codec.event_type_of(token)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        pytest.param(b"", "truncated", id="nothing"),
        pytest.param(b"no json", "malformed", id="no JSON"),
        pytest.param(b"[]", "Expected `object`", id="no mapping"),
        pytest.param(b"{}", "missing required field `status`", id="no status"),
        pytest.param(b'{"status": {}}', r"`\$.status`", id="an empty status"),
        pytest.param(
            (MINIMAL % b"running").replace(b"00Z", b"00"),
            r"timezone.*`\$.status.since`",
            id="a time without its zone",
        ),
        pytest.param(
            (MINIMAL % b"running").replace(b'"state"', b'"attempt": -1, "state"'),
            r"`\$.status.attempt`",
            id="a negative attempt",
        ),
    ],
)
def test_a_body_that_does_not_fit_its_type_is_broken_and_names_the_place(
    body: bytes, place: str
) -> None:
    with pytest.raises(codec.BrokenMessageError, match=place):
        codec.decode_event(EventType.RUNNING, body)
    with pytest.raises(codec.BrokenMessageError, match=place):
        codec.decode_status(body)


def test_a_command_that_does_not_fit_names_itself_and_the_place() -> None:
    with pytest.raises(codec.BrokenMessageError, match=r"AbortRun: Expected `str`.*`\$.reason`"):
        codec.decode(AbortRun, b'{"reason": 7}')


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_an_abort_without_a_body_is_a_users_abort_of_whatever_the_run_does(body: bytes) -> None:
    command = codec.decode(AbortRun, body)
    assert command == AbortRun()
    assert command.by_user
    assert command.if_sequence is None


def test_a_command_is_written_without_its_defaults() -> None:
    assert codec.encode(AbortRun()) == b"{}"
    command = CleanUpObjects(
        attempt=1,
        cause=CleanUpCause.LATE,
        objects=(ObjectFence(namespace="nlp", name="train-abcdefghij23-1", uid="u-1"),),
    )
    assert codec.encode(command) == (
        b'{"attempt":1,"cause":"late","objects":[{"namespace":"nlp",'
        b'"name":"train-abcdefghij23-1","uid":"u-1"}]}'
    )


def test_a_dead_letter_keeps_the_bytes_that_could_not_be_read() -> None:
    letter = DeadLetter(
        service="aborter", subject="s", reason="r", body=bytes(range(256)), set_aside_at=T0
    )
    assert codec.decode(DeadLetter, codec.encode(letter)) == letter


@pytest.mark.parametrize("enum", [RunState, Kind, Role, OutcomeClass, Threshold, CleanUpCause])
def test_a_member_that_a_later_release_adds_is_read_as_unknown(enum: type[StrEnum]) -> None:
    assert msgspec.json.decode(b'"of_a_later_release"', type=enum).value == "unknown"
    assert msgspec.convert("of_a_later_release", enum).value == "unknown"


def test_a_status_of_a_later_release_is_still_a_status() -> None:
    body = (MINIMAL % b"teleporting").replace(b'"state"', b'"kind": "ray", "state"')
    status = codec.decode_status(body)
    assert (status.state, status.kind) == (RunState.UNKNOWN, Kind.UNKNOWN)
    assert not status.state.is_final


def test_a_limit_of_a_later_release_does_not_harm_the_others() -> None:
    body = (MINIMAL % b"running").replace(
        b'"state"', b'"thresholds": {"news": {"limit_s": 1.0}, "running": {}}, "state"'
    )
    assert codec.decode_status(body).thresholds == {"news": Limit(limit_s=1.0), "running": Limit()}


def test_every_event_type_has_a_struct_and_a_name_of_its_own() -> None:
    assert set(EVENT_STRUCTS) == set(EventType)
    assert len(set(EVENT_STRUCTS.values())) == len(EventType)


@pytest.mark.parametrize("event_type", EventType)
def test_the_cloud_events_type_holds_the_event_type_and_its_version(event_type: EventType) -> None:
    assert ce_type(event_type) == f"dev.runbus.run.{event_type.value}.v1"
    assert type_token(ce_type(event_type)) == event_type.value
    assert type_token(f"dev.runbus.run.{event_type.value}.v2") == event_type.value


@pytest.mark.parametrize(
    "text", ["", "dev.runbus.run", "com.example.run.running.v1", "a.b.c.d.e.f"]
)
def test_a_foreign_cloud_events_type_has_no_event_type(text: str) -> None:
    assert type_token(text) == ""


def test_a_run_goes_through_states_that_are_pending_or_final_or_neither() -> None:
    assert {state for state in RunState if state.is_final} == FINAL_STATES
    assert {state for state in RunState if state.is_pending} == PENDING_STATES
    assert FINAL_STATES.isdisjoint(OBJECT_STATES)
    assert PENDING_STATES < OBJECT_STATES
