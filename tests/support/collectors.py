"""A collector of traces on the loopback interface: takes OTLP over HTTP and keeps the spans."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from gzip import decompress

from aiohttp import web
from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

BODY_BYTES_MAX = 16 * 1024 * 1024


class SeenSpan(Struct, frozen=True, kw_only=True):
    """A span as it arrived; ids in hex, `parent` empty for the first of a trace."""

    service: str
    name: str
    kind: int
    trace: str
    span: str
    parent: str
    links: tuple[str, ...]
    attributes: dict[str, str | int]
    is_error: bool


class Collector:
    """What has arrived."""

    def __init__(self) -> None:
        self.spans: list[SeenSpan] = []
        self.url = ""

    def of(self, trace: str) -> list[SeenSpan]:
        """Return the spans of a trace."""
        return [each for each in self.spans if each.trace == trace]

    async def handle(self, request: web.Request) -> web.Response:
        """Take one export."""
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = await asyncio.to_thread(decompress, body)
        self._take(ExportTraceServiceRequest.FromString(body))
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(),
            content_type="application/x-protobuf",
        )

    def _take(self, export: ExportTraceServiceRequest) -> None:
        for resource in export.resource_spans:
            known = {each.key: _value(each.value) for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    seen = SeenSpan(
                        service=str(known["service.name"]),
                        name=span.name,
                        kind=span.kind,
                        trace=span.trace_id.hex(),
                        span=span.span_id.hex(),
                        parent=span.parent_span_id.hex(),
                        links=tuple(each.span_id.hex() for each in span.links),
                        attributes={each.key: _value(each.value) for each in span.attributes},
                        is_error=span.status.code == span.status.STATUS_CODE_ERROR,
                    )
                    self.spans.append(seen)


def _value(value: AnyValue) -> str | int:
    return value.int_value if value.WhichOneof("value") == "int_value" else value.string_value


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """Serve a collector for the length of a block."""
    found = Collector()
    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app.router.add_post("/v1/traces", found.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield found
    finally:
        await runner.cleanup()
