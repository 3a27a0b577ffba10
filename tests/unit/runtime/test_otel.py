"""Spans by OpenTelemetry's conventions: names, kinds, ids, parents, links and attributes."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence

import pytest
import structlog
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode

from runbus.runtime.otel import LibraryWarnings, OtelTracing, path_template, span_context
from runbus.runtime.tracing import Received, Sent

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
OWN = f"00-{TRACE}-00000000000000aa-01"
ELSEWHERE = "00-11111111111111111111111111111111-2222222222222222-01"
RUN = "abcdefghij23"
EVENT = f"runbus.v1.run.nlp.{RUN}.1c.admitted"


class Kept(SpanExporter):
    """Keeps what is exported, or refuses it."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []
        self.answers: list[SpanExportResult | Exception] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        answer = self.answers.pop(0) if self.answers else SpanExportResult.SUCCESS
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def tracing(kept: Kept) -> OtelTracing:
    return OtelTracing(kept, Resource({}), structlog.get_logger())


def exported(tracing: OtelTracing, kept: Kept) -> list[ReadableSpan]:
    asyncio.run(tracing.close())
    return kept.spans


def received(traceparent: str | None = PARENT) -> Received:
    return Received(
        subject=EVENT,
        consumer="pod-launcher",
        message_id="id-1",
        body_bytes=3,
        traceparent=traceparent,
    )


def sent(parent: str | None = PARENT, own: str = OWN) -> Sent:
    return Sent(subject=EVENT, message_id="id-2", traceparent=own, parent=parent, began_ns=1)


def ids(span: ReadableSpan) -> tuple[str, str, str]:
    """Return trace, span and parent, the ids in hex."""
    parent = f"{span.parent.span_id:016x}" if span.parent is not None else ""
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", parent


def test_a_message_handled_is_a_consumers_span_below_the_one_that_sent_it(
    tracing: OtelTracing, kept: Kept
) -> None:
    with tracing.handling(received()):
        pass

    (span,) = exported(tracing, kept)
    assert span.name == "process runbus.v1.run.{project}.{run}.{shard}.admitted"
    assert span.kind is SpanKind.CONSUMER
    assert (ids(span)[0], ids(span)[2]) == (TRACE, "00f067aa0ba902b7")
    assert [f"{link.context.span_id:016x}" for link in span.links] == ["00f067aa0ba902b7"]
    assert dict(span.attributes or {}) == {
        "messaging.system": "nats",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": EVENT,
        "messaging.destination.template": "runbus.v1.run.{project}.{run}.{shard}.admitted",
        "messaging.consumer.group.name": "pod-launcher",
        "messaging.message.id": "id-1",
        "messaging.message.body.size": 3,
        "runbus.project": "nlp",
        "runbus.run_id": RUN,
    }


def test_a_message_without_a_trace_begins_one(tracing: OtelTracing, kept: Kept) -> None:
    with tracing.handling(received("00-nonsense")):
        current = tracing.current()

    (span,) = exported(tracing, kept)
    assert span.parent is None
    assert (current or "").startswith(f"00-{ids(span)[0]}-{ids(span)[1]}-0")


def test_a_message_that_failed_is_an_error(tracing: OtelTracing, kept: Kept) -> None:
    with tracing.handling(received()) as handled:
        handled.failed("retried", "the bus did not answer")

    (span,) = exported(tracing, kept)
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "the bus did not answer"
    assert (span.attributes or {})["error.type"] == "retried"


def test_a_message_stored_is_the_span_that_its_header_names(
    tracing: OtelTracing, kept: Kept
) -> None:
    tracing.sent(sent())

    (span,) = exported(tracing, kept)
    assert ids(span) == (TRACE, "00000000000000aa", "00f067aa0ba902b7")
    assert (span.kind, span.start_time) == (SpanKind.PRODUCER, 1)
    assert span.name == "publish runbus.v1.run.{project}.{run}.{shard}.admitted"
    assert (span.attributes or {})["messaging.operation.type"] == "send"


def test_what_handling_a_message_stores_is_below_it(tracing: OtelTracing, kept: Kept) -> None:
    with tracing.handling(received()):
        tracing.sent(sent())

    stored, handled = exported(tracing, kept)
    assert ids(stored)[2] == ids(handled)[1]


def test_what_a_message_of_another_trace_brings_about_is_linked_to_it(
    tracing: OtelTracing, kept: Kept
) -> None:
    with tracing.handling(received(ELSEWHERE)):
        tracing.sent(sent())

    stored, handled = exported(tracing, kept)
    assert ids(stored) == (TRACE, "00000000000000aa", "00f067aa0ba902b7")
    assert [link.context.span_id for link in stored.links] == [handled.context.span_id]


def test_a_run_without_a_trace_before_it_begins_with_the_ids_of_its_event(
    tracing: OtelTracing, kept: Kept
) -> None:
    tracing.sent(sent(parent=None))

    (span,) = exported(tracing, kept)
    assert ids(span) == (TRACE, "00000000000000aa", "")


def test_the_ids_of_one_span_are_not_given_to_another(tracing: OtelTracing, kept: Kept) -> None:
    tracing.sent(sent())
    with tracing.handling(received()):
        pass

    spans = exported(tracing, kept)
    assert len({ids(span)[1] for span in spans}) == 2


def test_a_trace_that_nobody_samples_is_not_exported(tracing: OtelTracing, kept: Kept) -> None:
    with tracing.handling(received(f"00-{TRACE}-00f067aa0ba902b7-00")):
        assert (tracing.current() or "").endswith("-00")

    assert exported(tracing, kept) == []


def test_a_request_is_a_clients_span_within_a_runs_trace(tracing: OtelTracing, kept: Kept) -> None:
    path = "/api/v1/namespaces/nlp/pods/train-1"
    with tracing.within(PARENT), tracing.requesting("GET", "https://kube:6443/", path) as span:
        span.answered(404)

    (found,) = exported(tracing, kept)
    assert ids(found)[2] == "00f067aa0ba902b7"
    assert (found.name, found.kind) == (
        "GET /api/v1/namespaces/{namespace}/pods/{name}",
        SpanKind.CLIENT,
    )
    assert found.status.status_code is StatusCode.ERROR
    assert dict(found.attributes or {}) == {
        "http.request.method": "GET",
        "http.response.status_code": 404,
        "url.template": "/api/v1/namespaces/{namespace}/pods/{name}",
        "url.full": f"https://kube:6443{path}",
        "server.address": "kube",
        "server.port": 6443,
        "error.type": "404",
    }


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/api/v1/pods", "/api/v1/pods"),
        ("/api/v1/nodes/n1", "/api/v1/nodes/{name}"),
        ("/api/v1/namespaces/x", "/api/v1/namespaces/{name}"),
        ("/api/v1/namespaces/x/pods", "/api/v1/namespaces/{namespace}/pods"),
        ("/api/v1/namespaces/x/pods/p/log", "/api/v1/namespaces/{namespace}/pods/{name}/log"),
        (
            "/apis/kubeflow.org/v1/namespaces/x/mpijobs/m",
            "/apis/kubeflow.org/v1/namespaces/{namespace}/mpijobs/{name}",
        ),
        (
            "/apis/scheduling.k8s.io/v1/priorityclasses/high",
            "/apis/scheduling.k8s.io/v1/priorityclasses/{name}",
        ),
        ("/version", "/version"),
    ],
)
def test_a_path_has_no_names_in_a_spans_name(path: str, template: str) -> None:
    assert path_template(path) == template


@pytest.mark.parametrize("text", [None, "", "00-x", f"00-{'0' * 32}-00f067aa0ba902b7-01"])
def test_what_is_no_traceparent_names_no_span(text: str | None) -> None:
    assert span_context(text) is None


def test_a_message_to_send_has_an_id_of_its_own_in_the_same_trace(tracing: OtelTracing) -> None:
    child = tracing.child(PARENT) or ""

    assert child.startswith(f"00-{TRACE}-")
    assert child.endswith("-01")
    assert child != PARENT
    asyncio.run(tracing.close())


def test_within_a_block_log_lines_name_the_trace(tracing: OtelTracing) -> None:
    with tracing.within(PARENT):
        assert structlog.contextvars.get_contextvars()["trace_id"] == TRACE

    assert structlog.contextvars.get_contextvars() == {}
    asyncio.run(tracing.close())


def test_a_collector_that_fails_is_told_once_and_so_is_its_recovery() -> None:
    kept = Kept()
    kept.answers = [
        SpanExportResult.FAILURE,
        OSError("no route"),
        SpanExportResult.SUCCESS,
        SpanExportResult.FAILURE,
    ]
    with structlog.testing.capture_logs() as lines:
        tracing = OtelTracing(kept, Resource({}), structlog.get_logger())
        for _ in range(4):
            tracing.sent(sent())
            assert tracing.flush()
        asyncio.run(tracing.close())

    assert [line["log_level"] for line in lines] == ["warning", "info", "warning"]


class Hanging(SpanExporter):
    """Never comes back from an export."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.gate.wait()
        return SpanExportResult.SUCCESS


def test_a_collector_that_hangs_holds_up_neither_work_nor_the_end() -> None:
    hanging = Hanging()
    tracing = OtelTracing(hanging, Resource({}), structlog.get_logger(), close_timeout_s=0.01)

    for _ in range(10_000):  # more than may wait
        tracing.sent(sent())
    asyncio.run(tracing.close())

    hanging.gate.set()


def test_what_the_library_says_of_settings_is_a_log_line_and_of_exports_is_not() -> None:
    with structlog.testing.capture_logs() as lines:
        told = LibraryWarnings(structlog.get_logger())
        for name in ("opentelemetry.sdk.trace.sampling", "opentelemetry.exporter.otlp.x"):
            told.handle(logging.LogRecord(name, logging.WARNING, "", 0, "no %s", ("luck",), None))

    assert [line["text"] for line in lines] == ["no luck"]
