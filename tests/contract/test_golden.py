"""Golden messages: what was ever on a bus can be read, judged and written again, for ever.

The files lie in `contracts/golden`; `contracts/README.md` says what stands in them and why they
are never changed.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from msgspec import Struct

from runbus.contracts import codec, subjects
from runbus.contracts.document import RunDocument
from runbus.contracts.envelope import from_headers, open_message
from runbus.contracts.events import ce_type, type_token
from runbus.contracts.export import published
from runbus.contracts.export.messages import messages
from runbus.contracts.identity import event_id, shard_of
from runbus.contracts.states import EventType, Kind, OutcomeClass, RunState
from runbus.contracts.status import AbortCause
from runbus.contracts.transitions import Publisher, check_transition

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
GOLDEN = CONTRACTS / "golden"
FILES = sorted((GOLDEN / "v1").glob("*.json"))
STRUCTS: dict[str, type[Struct]] = {body.name: body.struct for body in published.BODIES}
DOCUMENTS = ("submit-run.v1", "lint-document.v1", "explain-document.v1", published.RUN_DOCUMENT)


def read(path: Path) -> dict[str, Any]:
    """Return a golden message."""
    message: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return message


def body_of(message: dict[str, Any]) -> bytes:
    """Return the body as bytes, out of its CloudEvent where it is in structured mode."""
    return open_message(message["headers"], json.dumps(message["body"]).encode())[1]


def struct_of(message: dict[str, Any]) -> type[Struct]:
    """Return the Struct of a message's body."""
    return RunDocument if message["name"] in DOCUMENTS else STRUCTS[message["name"]]


def event_type_of(message: dict[str, Any]) -> EventType:
    """Return the event type that the subject names."""
    return codec.event_type_of(subjects.parse_event(message["subject"]).event_type)


all_messages = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
EVENTS = [path for path in FILES if path.name.startswith("run.")]
# An unknown key of a document is a violation, which the settings report.
NO_DOCUMENTS = [path for path in FILES if read(path)["name"] not in DOCUMENTS]
all_events = pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)


def test_every_message_and_every_body_has_a_golden_one() -> None:
    names = {read(path)["name"] for path in FILES}
    without_a_body = {"request-refused"}
    inside_others = {published.STATUS.name}
    assert names == (set(messages()) | set(STRUCTS)) - without_a_body - inside_others


@all_messages
def test_a_golden_file_is_named_after_its_message(path: Path) -> None:
    name = read(path)["name"]
    assert path.stem == name or path.stem.startswith(f"{name}.")


@all_messages
def test_a_golden_message_reads_and_writes_as_the_same(path: Path) -> None:
    body = body_of(read(path))
    decoded = codec.decode(struct_of(read(path)), body)
    assert json.loads(codec.encode(decoded)) == json.loads(body)


@all_messages
def test_a_golden_message_fits_the_committed_schema(path: Path) -> None:
    message = read(path)
    name = published.RUN_DOCUMENT if message["name"] in DOCUMENTS else message["name"]
    schema = json.loads((CONTRACTS / "schemas/v1" / f"{name}.schema.json").read_text())
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    errors = [
        f"{error.json_path}: {error.message}"
        for error in validator.iter_errors(json.loads(body_of(message)))
    ]
    assert errors == []


@pytest.mark.parametrize("path", NO_DOCUMENTS, ids=lambda path: path.stem)
def test_a_golden_message_of_a_later_release_is_still_read(path: Path) -> None:
    body = json.loads(body_of(read(path)))
    later = {**body, "news": {"of": ["a", "later", "release"]}}
    if "status" in body:
        later["status"] = {**body["status"], "news": [1]}
    struct = struct_of(read(path))
    known = codec.decode(struct, json.dumps(body).encode())
    assert codec.decode(struct, json.dumps(later).encode()) == known


@all_events
def test_a_golden_event_is_decoded_by_the_type_in_its_subject_and_in_its_envelope(
    path: Path,
) -> None:
    message = read(path)
    event_type = event_type_of(message)
    event = codec.decode_event(event_type, body_of(message))
    envelope = from_headers(message["headers"])
    assert type(event) is STRUCTS[message["name"]]
    assert envelope.type == ce_type(event_type)
    assert type_token(envelope.type) == event_type.value
    assert codec.decode_status(body_of(message)) == event.status


@all_events
def test_a_golden_events_subject_envelope_and_status_speak_of_the_same_run(path: Path) -> None:
    message = read(path)
    subject, envelope = subjects.parse_event(message["subject"]), from_headers(message["headers"])
    status = codec.decode_status(body_of(message))
    expected = int(message["headers"]["Nats-Expected-Last-Subject-Sequence"])
    assert (subject.project, subject.run_id) == (status.project, status.run_id)
    assert subject.shard == status.shard == shard_of(status.run_id)
    assert envelope.subject == f"{status.project}/{status.run_id}"
    assert envelope.source == f"/runbus/{message['publisher']}"
    assert isinstance(envelope.time, datetime)
    own_id = event_id(status.run_id, status.attempt, event_type_of(message), expected)
    # Where two bodies could claim one transition, something of the body follows.
    assert envelope.id == own_id or envelope.id.startswith(f"{own_id}-")
    assert message["headers"]["Nats-Expected-Last-Subject-Sequence-Subject"] == (
        subjects.events_of_run(status.project, status.run_id)
    )
    assert (expected == 0) == (message["follows"] is None)


@all_events
def test_a_golden_event_is_a_legal_transition_from_what_it_follows(path: Path) -> None:
    message = read(path)
    after = codec.decode_status(body_of(message))
    follows = message["follows"]
    before = None
    if follows is not None:
        before = msgspec.structs.replace(
            after,
            state=RunState(follows["state"]),
            attempt=follows["attempt"],
            reason=follows.get("reason", ""),
            abort=msgspec.convert(follows.get("abort"), AbortCause | None),
        )
    check_transition(before, event_type_of(message), after, Publisher(message["publisher"]))


@all_events
def test_members_that_a_later_release_adds_are_read_as_unknown(path: Path) -> None:
    body = json.loads(body_of(read(path)))
    body["status"] |= {"state": "teleporting", "kind": "ray", "outcome_class": "weather"}
    status = codec.decode_event(event_type_of(read(path)), json.dumps(body).encode()).status
    assert (status.state, status.kind, status.outcome_class) == (
        RunState.UNKNOWN,
        Kind.UNKNOWN,
        OutcomeClass.UNKNOWN,
    )


@all_events
def test_the_schema_of_an_event_takes_what_a_later_release_adds(path: Path) -> None:
    message = read(path)
    body = json.loads(body_of(message))
    body["news"] = 1
    body["status"] |= {"state": "teleporting", "kind": "ray", "news": 1}
    schema = json.loads((CONTRACTS / f"schemas/v1/{message['name']}.schema.json").read_text())
    assert Draft202012Validator(schema).is_valid(body)


def test_an_event_of_a_type_that_a_later_release_adds_is_told_apart_and_its_status_read() -> None:
    message = read(GOLDEN / "v1" / "run.running.v1.json")
    later = message["subject"].replace(".running", ".teleported")
    with pytest.raises(codec.UnknownTypeError):
        codec.event_type_of(subjects.parse_event(later).event_type)
    assert codec.decode_status(body_of(message)).state is RunState.RUNNING


def test_golden_messages_of_released_versions_are_never_changed() -> None:
    changed = []
    for line in (GOLDEN / "released.sha256").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            expected, _, name = line.partition("  ")
            found = hashlib.sha256((GOLDEN / name).read_bytes()).hexdigest()
            changed += [] if found == expected else [name]
    assert changed == []
