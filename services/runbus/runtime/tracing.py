"""Traces of what a service does: the interface, and what stands in for it where nobody asks.

A run is one trace: its W3C `traceparent` goes through every message, and each message stored is a
span of it. Without the extra `runbus[otel]`, or unless an exporter is asked for, everything here
does nothing; the `traceparent` is passed on all the same. Must not know OpenTelemetry: `otel` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from msgspec import Struct

from runbus.runtime.logs import Log

EXTRA = "runbus[otel]"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP = "http/protobuf"


class Received(Struct, frozen=True, kw_only=True):
    """A message about to be handled."""

    subject: str
    consumer: str
    message_id: str
    body_bytes: int
    traceparent: str | None


class Sent(Struct, frozen=True, kw_only=True):
    """A message that is stored: a span of its own, whose ids are those of `traceparent`."""

    subject: str
    message_id: str
    traceparent: str
    parent: str | None
    began_ns: int


class Span:
    """What is under way, for as long as its block lasts."""

    def answered(self, status: int) -> None:
        """Take the status code of an HTTP answer."""

    def failed(self, kind: str, why: str = "") -> None:
        """Take note that it failed, and how: a word of few, and a text."""


_NO_SPAN = nullcontext(Span())


class Tracing:
    """Traces nothing."""

    def handling(self, _received: Received) -> AbstractContextManager[Span]:
        """Trace the handling of a message within a block."""
        return _NO_SPAN

    def requesting(self, _method: str, _server: str, _path: str) -> AbstractContextManager[Span]:
        """Trace a request to the API server within a block."""
        return _NO_SPAN

    def within(self, _traceparent: str | None) -> AbstractContextManager[Span]:
        """Have what is traced within a block belong to a run's trace."""
        return _NO_SPAN

    def current(self) -> str | None:
        """Return the traceparent of what is under way; None where nothing is traced."""
        return None

    def child(self, parent: str | None) -> str | None:
        """Return the traceparent for a message that is about to be sent."""
        return parent

    def now_ns(self) -> int:
        """Return the time for `Sent.began_ns`."""
        return 0

    def sent(self, _sent: Sent) -> None:
        """Trace a message that was stored."""

    async def close(self) -> None:
        """Hand over what is left, for a moment at most."""


def set_up(service: str, instance: str, environment: Mapping[str, str], log: Log) -> Tracing:
    """Return the tracing that the standard OTEL_* variables ask for.

    Whatever is wrong with them is a warning: traces are never a reason not to start.
    """
    if not is_asked_for(environment):
        return Tracing()
    protocol = next((environment[each] for each in _PROTOCOLS if environment.get(each)), _HTTP)
    if protocol != _HTTP:
        log.warning("not traced: OTLP over HTTP only", protocol=protocol)
        return Tracing()
    try:
        from runbus.runtime.otel import otel_tracing  # an extra, and half a second of imports

        return otel_tracing(service, instance, log)
    except ModuleNotFoundError as error:
        log.warning("not traced: the extra is not installed", extra=EXTRA, missing=error.name)
    except ValueError as error:
        log.warning("not traced: settings that cannot be used", error=str(error))
    return Tracing()


def is_asked_for(environment: Mapping[str, str]) -> bool:
    """Say whether the environment names an exporter, by its name or by its address."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    if exporter:
        return exporter == "otlp"
    return any(environment.get(each) for each in _ENDPOINTS)
