"""The AsyncAPI 3 document: channels, operations by service, and JetStream's side of it.

One document describes the whole system. An operation belongs to one application, the service or
`client` that its tag names, and is said from that application's side. What AsyncAPI has no word
for stands in extensions: `x-jetstream` (streams, buckets, consumers) and `x-transitions`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from runbus.contracts import streams, subjects
from runbus.contracts.export import messages as texts
from runbus.contracts.export import published
from runbus.contracts.export.published import ALL_SERVICES, CLIENT, EVENT_FOLLOWERS
from runbus.contracts.identity import RUN_ID_LENGTH, SHARDS
from runbus.contracts.states import EventType
from runbus.contracts.transitions import TRANSITIONS, Publisher

Json = dict[str, Any]

VERSION = "3.1.0"
RUN_EVENTS = "run-events"
SUBMIT = "submit"
EVIDENCE = "evidence"
DEAD_LETTERS = "dead-letters"
API_SUBMIT = "api-submit"
API_LINT = "api-lint"
API_EXPLAIN = "api-explain"
_VALIDATOR = Publisher.SPEC_VALIDATOR.value

_DESCRIPTION = """\
runbus runs what a document asks for on Kubernetes, and aborts what gets stuck. A client submits a
document (as a command, or as a request with a verdict) and follows the events of its run. Every
event carries the whole folded status of the run, is stored with compare-and-set on the run's last
sequence, and may arrive more than once. Fields are only ever added: skip those you do not know."""


def asyncapi_document() -> Json:
    """Return the whole document."""
    return {
        "asyncapi": VERSION,
        "id": "urn:dev:runbus",
        "info": {
            "title": "runbus",
            "version": subjects.ROOT.partition(".")[2],
            "description": _DESCRIPTION.replace("\n", " "),
            "license": {"name": "Apache-2.0"},
            "tags": [{"name": name} for name in (CLIENT, *ALL_SERVICES)],
        },
        "defaultContentType": "application/json",
        "servers": {
            "nats": {
                "host": "{host}:{port}",
                "protocol": "nats",
                "description": "nats-server 2.12 or newer with JetStream",
                "variables": {"host": {"default": "localhost"}, "port": {"default": "4222"}},
            }
        },
        "channels": _channels(),
        "operations": dict(_operations()),
        "components": {
            "messages": texts.messages(),
            "schemas": texts.schemas(),
            "parameters": _parameters(),
        },
        "x-jetstream": {
            "streams": msgspec.to_builtins(streams.STREAMS),
            "buckets": msgspec.to_builtins(streams.BUCKETS),
            "consumers": msgspec.to_builtins(streams.CONSUMERS),
        },
    }


def _channels() -> dict[str, Json]:
    run_address = f"{subjects.ROOT}.run.{{project}}.{{run}}.{{shard}}"
    of_run = ("project", "run")
    every_event = [body.name for body in published.EVENTS.values()]
    return {
        SUBMIT: _channel(
            f"{subjects.ROOT}.submit.{{project}}",
            [texts.SUBMIT_MESSAGE],
            ("project",),
            streams.COMMANDS,
        ),
        **{
            command.verb: _channel(
                f"{subjects.ROOT}.{command.verb}.{{project}}.{{run}}",
                [command.body.name],
                of_run,
                streams.COMMANDS,
            )
            for command in published.COMMANDS
        },
        RUN_EVENTS: _channel(
            f"{run_address}.{{type}}", every_event, (*of_run, "shard", "type"), streams.EVENTS
        ),
        **{
            _event_channel(event_type): _channel(
                f"{run_address}.{event_type.value}",
                [body.name],
                (*of_run, "shard"),
                streams.EVENTS,
            )
            for event_type, body in published.EVENTS.items()
        },
        EVIDENCE: _channel(
            f"{subjects.ROOT}.evidence.{{project}}.{{run}}",
            [published.RUN_EVIDENCE.name],
            of_run,
            streams.EVIDENCE,
        ),
        DEAD_LETTERS: _channel(
            f"{subjects.ROOT}.deadletter.{{service}}",
            [published.DEAD_LETTER.name],
            ("service",),
            streams.DEADLETTERS,
        ),
        **_api_channels(API_SUBMIT, subjects.API_SUBMIT, texts.SUBMIT_MESSAGE),
        **_reply_channel(API_SUBMIT, published.SUBMIT_REPLY.name),
        **_api_channels(API_LINT, subjects.API_LINT, texts.LINT_MESSAGE),
        **_reply_channel(API_LINT, published.LINT_REPLY.name),
        **_api_channels(API_EXPLAIN, subjects.API_EXPLAIN, texts.EXPLAIN_MESSAGE),
        **_reply_channel(API_EXPLAIN, published.EXPLAIN_REPLY.name),
    }


def _event_channel(event_type: EventType) -> str:
    return f"run-{event_type.value}"


def _channel(
    address: str, names: list[str], parameters: tuple[str, ...], stream: str | None
) -> Json:
    return {
        "address": address,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in parameters},
        **({"x-jetstream": {"stream": stream}} if stream else {}),
    }


def _api_channels(channel: str, verb: str, message: str) -> dict[str, Json]:
    address = f"{subjects.ROOT}.api.{verb}.{{project}}"
    return {channel: _channel(address, [message], ("project",), None)}


def _reply_channel(channel: str, reply: str) -> dict[str, Json]:
    names = (reply, texts.REFUSED_MESSAGE)
    return {
        f"{channel}-reply": {
            "address": None,
            "description": "the inbox that the request names",
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        }
    }


def _parameters() -> dict[str, Json]:
    return {
        "project": {"description": "whose run it is: a DNS label"},
        "run": {"description": f"the run id: {RUN_ID_LENGTH} characters of a-z and 0-9"},
        "shard": {
            "description": f"crc32 of the run id modulo {SHARDS}, as two hex digits: 00 to 3f"
        },
        "type": {
            "description": "what happened; later releases may add types: skip unknown ones",
            "examples": [event_type.value for event_type in EventType],
        },
        "service": {"description": "who could not handle it", "enum": list(ALL_SERVICES)},
    }


def _operations() -> Iterator[tuple[str, Json]]:
    """Yield every operation: who sends, who receives, and through which consumer."""
    yield _operation(CLIENT, "send", SUBMIT)
    yield _operation(_VALIDATOR, "receive", SUBMIT, streams.SUBMIT_CONSUMER)
    for channel, reply in (
        (API_SUBMIT, published.SUBMIT_REPLY),
        (API_LINT, published.LINT_REPLY),
        (API_EXPLAIN, published.EXPLAIN_REPLY),
    ):
        for application, action in ((CLIENT, "send"), (_VALIDATOR, "receive")):
            name, operation = _operation(application, action, channel)
            yield name, {**operation, "reply": _reply(channel, reply.name)}
    consumers = {spec.filter_subject: spec.name for spec in streams.CONSUMERS}
    for command in published.COMMANDS:
        for sender in command.senders:
            yield _operation(sender, "send", command.verb)
        consumer = consumers[subjects.command(command.verb)]
        yield _operation(command.receiver, "receive", command.verb, consumer)
    for event_type in EventType:
        for service in _publishers(event_type):
            yield _operation(service, "send", _event_channel(event_type))
    yield _operation(
        Publisher.POD_LAUNCHER.value,
        "receive",
        _event_channel(EventType.ADMITTED),
        streams.LAUNCH_CONSUMER,
    )
    for follower in EVENT_FOLLOWERS:
        yield _operation(follower, "receive", RUN_EVENTS)
    yield _operation(Publisher.ABORTER.value, "send", EVIDENCE)
    yield _operation(CLIENT, "receive", EVIDENCE)
    for service in ALL_SERVICES:
        yield _operation(service, "send", DEAD_LETTERS)
    yield _operation(CLIENT, "receive", DEAD_LETTERS)


def _publishers(event_type: EventType) -> list[str]:
    rows = (row for row in TRANSITIONS if row.event is event_type)
    found = {publisher for row in rows for publisher in row.publishers}
    return [publisher.value for publisher in Publisher if publisher in found]


def _operation(
    application: str, action: str, channel: str, consumer: str | None = None
) -> tuple[str, Json]:
    return f"{application}-{action}s-{channel}", {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "tags": [{"name": application}],
        **({"x-jetstream": {"consumer": consumer}} if consumer else {}),
    }


def _reply(channel: str, message: str) -> Json:
    reply_channel = f"#/channels/{channel}-reply"
    return {
        "channel": {"$ref": reply_channel},
        "messages": [
            {"$ref": f"{reply_channel}/messages/{name}"}
            for name in (message, texts.REFUSED_MESSAGE)
        ],
    }
