"""The messages of the AsyncAPI document: payload, headers, and what each means.

Headers are CloudEvents in binary mode where runbus writes events; what clients may send along
with a submit; and NATS' own where a publish is guarded. Source: `envelope`, ADR-0004.
"""

from __future__ import annotations

import inspect
from typing import Any

from msgspec import Struct

from runbus.contracts import envelope
from runbus.contracts.events import ce_type
from runbus.contracts.export import published
from runbus.contracts.export.published import Body
from runbus.contracts.export.schemas import ADDRESS, components, schema_file_name
from runbus.contracts.states import EventType
from runbus.contracts.transitions import NOTHING, TRANSITIONS, Transition

Json = dict[str, Any]

SCHEMA_REF = "#/components/schemas/{name}"
SUBMIT_MESSAGE = "submit-run.v1"
LINT_MESSAGE = "lint-document.v1"
EXPLAIN_MESSAGE = "explain-document.v1"
REFUSED_MESSAGE = "request-refused"
EXPECTED_SEQUENCE = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"
MESSAGE_ID = "Nats-Msg-Id"
SERVICE_ERROR = "Nats-Service-Error"
SERVICE_ERROR_CODE = "Nats-Service-Error-Code"


def schemas() -> dict[str, Json]:
    """Return the schemas of every payload and of the headers, by name."""
    bodies = components([body.struct for body in published.BODIES], SCHEMA_REF)
    return {**bodies, **_headers()}


def messages() -> dict[str, Json]:
    """Return every message by its name."""
    return {
        SUBMIT_MESSAGE: _document_message(SUBMIT_MESSAGE, "SubmitRun", "A run that is asked for."),
        EXPLAIN_MESSAGE: _document_message(
            EXPLAIN_MESSAGE,
            "ExplainDocument",
            "A document whose settings are asked for; with the header Runbus-Run-Id and no body,"
            " those of a run.",
        ),
        LINT_MESSAGE: _document_message(
            LINT_MESSAGE, "LintDocument", "A document that is only looked at."
        ),
        **{body.name: _event(event_type, body) for event_type, body in published.EVENTS.items()},
        **{
            command.body.name: _message(command.body, "CommandHeaders")
            for command in published.COMMANDS
        },
        published.RUN_EVIDENCE.name: _message(published.RUN_EVIDENCE, "OnceHeaders"),
        published.DEAD_LETTER.name: _message(published.DEAD_LETTER, "OnceHeaders"),
        published.SUBMIT_REPLY.name: _message(published.SUBMIT_REPLY),
        published.LINT_REPLY.name: _message(published.LINT_REPLY),
        published.EXPLAIN_REPLY.name: _message(published.EXPLAIN_REPLY),
        REFUSED_MESSAGE: {
            "name": REFUSED_MESSAGE,
            "title": "RequestRefused",
            "summary": "No verdict: an empty body, and the reason in the headers.",
            "headers": _ref("RefusalHeaders"),
        },
    }


def _ref(schema: str) -> Json:
    return {"$ref": SCHEMA_REF.format(name=schema)}


def _message(body: Body, headers: str | None = None) -> Json:
    return {
        "name": body.name,
        "title": body.struct.__name__,
        **_described(body.struct),
        **({"headers": _ref(headers)} if headers else {}),
        "payload": _ref(body.struct.__name__),
        "x-schema": f"{ADDRESS}/{schema_file_name(body.name)}",
    }


def _described(struct: type[Struct]) -> Json:
    summary, _, rest = inspect.cleandoc(struct.__doc__ or "").partition("\n\n")
    text = {"summary": " ".join(summary.split())}
    return {**text, "description": rest} if rest else text


def _event(event_type: EventType, body: Body) -> Json:
    message = _message(body)
    return {
        **message,
        "headers": {
            "allOf": [
                _ref("EventHeaders"),
                {"type": "object", "properties": {"ce-type": {"const": ce_type(event_type)}}},
            ]
        },
        "x-transitions": [_transition(row) for row in TRANSITIONS if row.event is event_type],
    }


def _transition(row: Transition) -> Json:
    """Return one row of the state table; "nothing" is a run without any event yet."""
    sources = ["nothing" if state is NOTHING else state.value for state in row.sources]
    return {
        "from": sorted(sources),
        "to": sorted(state.value for state in row.targets),
        "by": sorted(publisher.value for publisher in row.publishers),
        **({"reason": row.reason.value} if row.reason is not None else {}),
    }


def _document_message(name: str, title: str, summary: str) -> Json:
    return {
        "name": name,
        "title": title,
        "summary": summary,
        "description": (
            "The body is the run document. Unknown keys are refused, and so is all that its own"
            " schema (x-schema) refuses. CloudEvents in structured mode are accepted, too."
        ),
        "headers": _ref("SubmitHeaders"),
        "payload": _ref(published.DOCUMENT.struct.__name__),
        "x-schema": f"{ADDRESS}/{schema_file_name(published.DOCUMENT.name)}",
    }


def _text(description: str, **more: Any) -> Json:
    return {"type": "string", "description": description, **more}


def _object(description: str, properties: Json, *required: str) -> Json:
    schema = {"type": "object", "description": description, "properties": properties}
    return {**schema, "required": list(required)} if required else schema


_TRACE = _text("W3C Trace Context", pattern="^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")
_ONCE = _text("set where a message must be stored once, however often it is sent")


def _headers() -> dict[str, Json]:
    return {
        "EventHeaders": _event_headers(),
        "SubmitHeaders": _submit_headers(),
        "CommandHeaders": _object(
            "Headers of a command; none is needed.",
            {MESSAGE_ID: _ONCE, envelope.TRACEPARENT: _TRACE},
        ),
        "OnceHeaders": _object("Headers of what is stored once.", {MESSAGE_ID: _ONCE}, MESSAGE_ID),
        "RefusalHeaders": _object(
            "Headers of an answer without a verdict.",
            {
                SERVICE_ERROR: _text("why"),
                SERVICE_ERROR_CODE: _text(
                    "400: the request cannot be read; 503: try again", enum=["400", "503"]
                ),
            },
            SERVICE_ERROR,
            SERVICE_ERROR_CODE,
        ),
    }


def _event_headers() -> Json:
    return _object(
        "CloudEvents 1.0 in binary mode, percent-encoded, and the guard of the publish.",
        {
            "ce-specversion": {"const": envelope.SPEC_VERSION},
            "ce-id": _text("run, attempt, type and expected sequence: the same for every try"),
            "ce-type": _text("the event type with its version"),
            "ce-source": _text("the service that published it, as /runbus/<service>"),
            "ce-subject": _text("<project>/<run>"),
            "ce-time": _text("when it was published", format="date-time"),
            "ce-datacontenttype": {"const": envelope.JSON_TYPE},
            "ce-traceparent": _TRACE,
            envelope.TRACEPARENT: _TRACE,
            EXPECTED_SEQUENCE: _text(
                "the sequence of the run's event before this one, 0 for the first",
                pattern="^[0-9]+$",
            ),
            EXPECTED_SUBJECT: _text("the wildcard over the run's events"),
        },
        "ce-specversion",
        "ce-id",
        "ce-type",
        "ce-source",
        EXPECTED_SEQUENCE,
        EXPECTED_SUBJECT,
    )


def _submit_headers() -> Json:
    return _object(
        "Headers of a document; none is needed.",
        {
            envelope.CONTENT_TYPE: _text(
                f"{envelope.JSON_TYPE}, or {envelope.STRUCTURED_PREFIX}+json for structured mode"
            ),
            envelope.IDEMPOTENCY_KEY: _text(
                "the same key in the same project is the same run; another document is refused"
            ),
            "ce-source": _text("who asks, where the document names no user"),
            envelope.TRACEPARENT: _TRACE,
        },
    )
