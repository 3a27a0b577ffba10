"""Traces by OpenTelemetry, exported over OTLP/HTTP: the extra `runbus[otel]`.

Names and attributes follow OpenTelemetry's semantic conventions for messaging and HTTP clients.
Spans are handed to a thread that exports them in batches: its queue is bounded, what does not fit
is dropped, and a collector that does not answer is one warning. It must not know services.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from urllib.parse import urlsplit

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.util.types import AttributeValue

from runbus.contracts import subjects
from runbus.contracts.identity import trace_parts
from runbus.runtime.logs import Log
from runbus.runtime.tracing import Received, Sent, Span, Tracing

CLOSE_TIMEOUT_S = 2.0
SYSTEM = "nats"
# The library's loggers that speak once for each batch that is lost.
_OF_EXPORTS = (
    "opentelemetry.exporter",
    "opentelemetry.sdk._shared_internal",
    "opentelemetry.sdk.trace.export",
)

Attributes = dict[str, AttributeValue]


class OtelTracing(Tracing):
    """Traces with one provider of its own: nothing global is set."""

    def __init__(
        self,
        exporter: SpanExporter,
        resource: Resource,
        log: Log,
        *,
        close_timeout_s: float = CLOSE_TIMEOUT_S,
    ) -> None:
        self._close_timeout_s = close_timeout_s
        self._ids = _Ids()
        # Ended by `close`, never at the interpreter's exit, which would wait for a collector.
        self._provider = TracerProvider(
            resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(_Watched(exporter, log)))
        self._tracer = self._provider.get_tracer("runbus")

    @contextmanager
    def handling(self, received: Received) -> Iterator[Span]:
        """Trace the handling of a message: a child of what sent it, and linked to it."""
        context = span_context(received.traceparent)
        template = subjects.template(received.subject)
        attributes = _of_message(received.subject, received.message_id)
        attributes["messaging.message.body.size"] = received.body_bytes
        attributes["messaging.operation.name"] = "process"
        attributes["messaging.operation.type"] = "process"
        attributes["messaging.consumer.group.name"] = received.consumer
        with (
            self._tracer.start_as_current_span(
                f"process {template}",
                context=_within(context),
                kind=SpanKind.CONSUMER,
                attributes=attributes,
                links=[Link(context)] if context is not None else [],
                set_status_on_exception=True,
            ) as span,
            _logged(span.get_span_context()),
        ):
            yield _Under(span)

    @contextmanager
    def requesting(self, method: str, server: str, path: str) -> Iterator[Span]:
        """Trace a request to the API server."""
        template, address = path_template(path), urlsplit(server)
        attributes: Attributes = {
            "http.request.method": method,
            "url.template": template,
            "url.full": server.rstrip("/") + path,
            "server.address": address.hostname or "",
        }
        port = address.port or {"https": 443, "http": 80}.get(address.scheme)
        if port is not None:
            attributes["server.port"] = port
        with self._tracer.start_as_current_span(
            f"{method} {template}", kind=SpanKind.CLIENT, attributes=attributes
        ) as span:
            yield _Under(span)

    @contextmanager
    def within(self, traceparent: str | None) -> Iterator[Span]:
        """Have what is traced within a block belong to a run's trace."""
        context = span_context(traceparent)
        if context is None:
            yield Span()
            return
        with trace.use_span(trace.NonRecordingSpan(context)), _logged(context):
            yield Span()

    def current(self) -> str | None:
        """Return the traceparent of what is under way."""
        context = trace.get_current_span().get_span_context()
        return _traceparent(context) if context.is_valid else None

    def child(self, parent: str | None) -> str | None:
        """Return the traceparent for a message that is about to be sent."""
        context = span_context(parent)
        if context is None:
            return parent
        own = SpanContext(
            context.trace_id, self._ids.generate_span_id(), False, context.trace_flags
        )
        return _traceparent(own)

    def now_ns(self) -> int:
        """Return the time of the day."""
        return time.time_ns()

    def sent(self, sent: Sent) -> None:
        """Trace a message that was stored, under the ids that its receivers find in it."""
        own = span_context(sent.traceparent)
        if own is None:
            return
        parent, links = span_context(sent.parent), []
        current = trace.get_current_span().get_span_context()
        if current.is_valid and current.trace_id == own.trace_id:
            parent = current
        elif current.is_valid:
            links.append(Link(current))
        attributes = _of_message(sent.subject, sent.message_id)
        attributes["messaging.operation.name"] = "publish"
        attributes["messaging.operation.type"] = "send"
        with self._ids.given(own):
            span = self._tracer.start_span(
                f"publish {subjects.template(sent.subject)}",
                context=_within(parent),
                kind=SpanKind.PRODUCER,
                attributes=attributes,
                links=links,
                start_time=sent.began_ns,
            )
        span.end()

    def flush(self) -> bool:
        """Export what is there, now; blocks."""
        return self._provider.force_flush(int(CLOSE_TIMEOUT_S * 1000))

    async def close(self) -> None:
        """Hand over what is left; a collector that does not answer is not waited for."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, self._close_timeout_s)


def otel_tracing(service: str, instance: str, log: Log) -> OtelTracing:
    """Return the tracing of a service, set up by the OTEL_* environment.

    Raises:
        ValueError: a variable that cannot be used.

    """
    library = logging.getLogger("opentelemetry")
    library.addHandler(LibraryWarnings(log))
    library.propagate = False
    known: Attributes = {
        "service.name": f"runbus-{service}",
        "service.namespace": "runbus",
        "service.version": metadata.version("runbus"),
    }
    if instance:
        known["service.instance.id"] = instance
    # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say wins.
    resource = Resource.create(known).merge(OTELResourceDetector().detect())
    return OtelTracing(OTLPSpanExporter(), resource, log)


def span_context(traceparent: str | None) -> SpanContext | None:
    """Return the span that a traceparent names; None where it names none."""
    parts = trace_parts(traceparent)
    if parts is None:
        return None
    trace_id, span_id, flags = parts
    context = SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(int(flags, 16)))
    return context if context.is_valid else None


def path_template(path: str) -> str:
    """Return a path of Kubernetes' API without the names in it."""
    tokens = path.partition("?")[0].split("/")
    start = 3 if tokens[1:2] == ["api"] else 4  # "", api, v1 - or "", apis, group, version
    if tokens[start : start + 1] == ["namespaces"] and len(tokens) > start + 2:
        tokens[start + 1] = "{namespace}"
        start += 2
    if len(tokens) > start + 1:
        tokens[start + 1] = "{name}"
    return "/".join(tokens)


class _Under(Span):
    """A span of OpenTelemetry."""

    def __init__(self, span: OtelSpan) -> None:
        self._span = span

    def answered(self, status: int) -> None:
        """Take the status code of an HTTP answer; a client's span fails from 400 on."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= 400:
            self.failed(str(status))

    def failed(self, kind: str, why: str = "") -> None:
        """Take note that it failed."""
        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR, why or None))


class _Ids(RandomIdGenerator):
    """Chance, but for a message's span: its ids stood in the message before there was a span."""

    def __init__(self) -> None:
        self._given: SpanContext | None = None

    @contextmanager
    def given(self, context: SpanContext) -> Iterator[None]:
        """Give these ids to the span that is started within a block that awaits nothing."""
        self._given = context
        try:
            yield
        finally:
            self._given = None

    def generate_span_id(self) -> int:
        """Return the id of the next span."""
        return self._given.span_id if self._given is not None else super().generate_span_id()

    def generate_trace_id(self) -> int:
        """Return the id of the next trace."""
        return self._given.trace_id if self._given is not None else super().generate_trace_id()


class LibraryWarnings(logging.Handler):
    """Writes what the library warns of as a log line of ours: settings, not exports."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, unless it is of an export: `_Watched` tells of those, once."""
        if not record.name.startswith(_OF_EXPORTS):
            self._log.warning("opentelemetry", text=record.getMessage())


class _Watched(SpanExporter):
    """An exporter whose failures are told once, and its recovery too. Runs in a thread."""

    def __init__(self, exporter: SpanExporter, log: Log) -> None:
        self._exporter = exporter
        self._log = log
        self._is_failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch; what fails is dropped."""
        try:
            result, why = self._exporter.export(spans), "the collector did not take them"
        except (OSError, ValueError, RuntimeError) as error:
            result, why = SpanExportResult.FAILURE, f"{type(error).__name__}: {error}"
        if result is SpanExportResult.SUCCESS and self._is_failing:
            self._log.info("traces are exported again")
        elif result is not SpanExportResult.SUCCESS and not self._is_failing:
            self._log.warning("traces are not exported, and dropped", reason=why)
        self._is_failing = result is not SpanExportResult.SUCCESS
        return result

    def shutdown(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()


def _of_message(subject: str, message_id: str) -> Attributes:
    found: Attributes = {
        "messaging.system": SYSTEM,
        "messaging.destination.name": subject,
        "messaging.destination.template": subjects.template(subject),
    }
    if message_id:
        found["messaging.message.id"] = message_id
    run = subjects.run_of(subject)
    if run is not None:
        found["runbus.project"], found["runbus.run_id"] = run
    return found


def _within(context: SpanContext | None) -> Context:
    """Return the context whose current span is a given one, or which has none."""
    if context is None:
        return Context()
    return trace.set_span_in_context(trace.NonRecordingSpan(context), Context())


def _traceparent(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


@contextmanager
def _logged(context: SpanContext) -> Iterator[None]:
    """Have the log lines of a block name the trace."""
    with structlog.contextvars.bound_contextvars(
        trace_id=f"{context.trace_id:032x}", span_id=f"{context.span_id:016x}"
    ):
        yield
