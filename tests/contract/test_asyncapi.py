"""The AsyncAPI document, structurally: nothing dangles, and nothing of the contracts is missing.

It was also read by AsyncAPI's own parser, which is no part of this environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from runbus.contracts import streams, subjects
from runbus.contracts.export.published import ALL_SERVICES, CLIENT, COMMANDS
from runbus.contracts.states import EventType
from runbus.contracts.transitions import TRANSITIONS

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Return the committed document."""
    loaded: dict[str, Any] = yaml.safe_load((CONTRACTS / "asyncapi.yaml").read_text("utf-8"))
    return loaded


def references(node: object) -> Iterator[str]:
    """Yield every `$ref` below a node."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def resolved(document: dict[str, Any], reference: str) -> Any:
    """Return what a reference within the document points at."""
    found: Any = document
    assert reference.startswith("#/")
    for token in reference[2:].split("/"):
        found = found[token.replace("~1", "/").replace("~0", "~")]
    return found


def operations_on(document: dict[str, Any], channel: str, action: str) -> set[str]:
    """Return who does something on a channel."""
    return {
        operation["tags"][0]["name"]
        for operation in document["operations"].values()
        if operation["action"] == action and operation["channel"]["$ref"] == f"#/channels/{channel}"
    }


def test_every_reference_points_at_something(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert len(found) > 100
    for reference in found:
        assert resolved(document, reference) is not None


def test_every_component_is_used(document: dict[str, Any]) -> None:
    used = set(references(document))
    unused = [
        f"#/components/{section}/{name}"
        for section, components in document["components"].items()
        for name in components
        if f"#/components/{section}/{name}" not in used
    ]
    assert unused == []


def test_every_address_has_exactly_its_parameters(document: dict[str, Any]) -> None:
    for name, channel in document["channels"].items():
        in_address = set(re.findall(r"{(\w+)}", channel["address"] or ""))
        assert in_address == set(channel.get("parameters", {})), name


@pytest.mark.parametrize("event_type", EventType)
def test_every_event_type_has_a_message_and_a_channel(
    document: dict[str, Any], event_type: EventType
) -> None:
    name = f"run.{event_type.value}.v1"
    channel = document["channels"][f"run-{event_type.value}"]
    assert list(channel["messages"]) == [name]
    assert channel["address"].endswith(f".{event_type.value}")
    assert name in document["channels"]["run-events"]["messages"]
    headers = document["components"]["messages"][name]["headers"]["allOf"][1]
    assert headers["properties"]["ce-type"] == {"const": f"dev.runbus.{name}"}


@pytest.mark.parametrize("event_type", EventType)
def test_an_event_is_sent_by_its_publishers_and_says_what_it_may_follow(
    document: dict[str, Any], event_type: EventType
) -> None:
    rows = [row for row in TRANSITIONS if row.event is event_type]
    publishers = {publisher.value for row in rows for publisher in row.publishers}
    message = document["components"]["messages"][f"run.{event_type.value}.v1"]
    assert operations_on(document, f"run-{event_type.value}", "send") == publishers
    assert len(message["x-transitions"]) == len(rows)


def test_events_are_received_by_clients_and_by_the_services_that_follow_them(
    document: dict[str, Any],
) -> None:
    receivers = operations_on(document, "run-events", "receive")
    assert receivers == {CLIENT, "scheduler", "state-watcher"}
    assert operations_on(document, "run-admitted", "receive") == {"pod-launcher"}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.verb)
def test_every_command_has_senders_and_one_receiver(document: dict[str, Any], command: Any) -> None:
    assert operations_on(document, command.verb, "send") == set(command.senders)
    assert operations_on(document, command.verb, "receive") == {command.receiver}


def test_every_command_verb_of_the_subjects_is_described() -> None:
    assert tuple(command.verb for command in COMMANDS) == subjects.COMMAND_VERBS


@pytest.mark.parametrize("verb", ["submit", "lint"])
def test_a_request_has_a_reply_on_both_sides(document: dict[str, Any], verb: str) -> None:
    for application, action in ((CLIENT, "sends"), ("spec-validator", "receives")):
        operation = document["operations"][f"{application}-{action}-api-{verb}"]
        channel = resolved(document, operation["reply"]["channel"]["$ref"])
        assert channel["address"] is None
        assert set(channel["messages"]) == {f"{verb}-reply.v1", "request-refused"}


def test_every_service_sends_dead_letters(document: dict[str, Any]) -> None:
    assert operations_on(document, "dead-letters", "send") == set(ALL_SERVICES)


def test_every_consumer_belongs_to_the_operation_of_its_service(document: dict[str, Any]) -> None:
    named = {
        operation["x-jetstream"]["consumer"]: operation["tags"][0]["name"]
        for operation in document["operations"].values()
        if "x-jetstream" in operation
    }
    assert named == {spec.name: spec.service.value for spec in streams.CONSUMERS}


def test_every_stored_channel_names_the_stream_that_stores_it(document: dict[str, Any]) -> None:
    patterns = {spec.name: spec.subjects for spec in streams.STREAMS}
    for name, channel in document["channels"].items():
        if "x-jetstream" in channel:
            address = re.sub(r"{\w+}", "*", channel["address"])
            stored = [
                re.fullmatch(pattern.replace(".", r"\.").replace("*", "[^.]+"), address)
                for pattern in patterns[channel["x-jetstream"]["stream"]]
            ]
            assert any(stored), name


def test_streams_buckets_and_consumers_are_all_there(document: dict[str, Any]) -> None:
    facts = document["x-jetstream"]
    assert [each["name"] for each in facts["streams"]] == [each.name for each in streams.STREAMS]
    assert [each["name"] for each in facts["buckets"]] == [each.name for each in streams.BUCKETS]
    assert [each["name"] for each in facts["consumers"]] == [
        each.name for each in streams.CONSUMERS
    ]


def test_every_schema_is_one_that_asyncapi_tools_can_read(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)


def test_every_message_has_a_summary_and_a_name_of_its_own(document: dict[str, Any]) -> None:
    messages = document["components"]["messages"]
    assert [name for name, message in messages.items() if message["name"] != name] == []
    assert [name for name, message in messages.items() if not message["summary"]] == []
