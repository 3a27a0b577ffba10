"""The request-reply endpoints, as NATS micro services: found and measured by NATS' own tools.

An endpoint of the client library handles one request after the other: each is handed to a task
here, a bounded number at a time. A request that cannot be answered now gets an error answer, and
its client tries again. Nothing that a request brings with it ends the service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import nats.errors
from nats.micro import add_service
from nats.micro.request import Request
from nats.micro.service import EndpointConfig, ServiceConfig

from runbus.contracts import envelope, subjects
from runbus.contracts.texts import cut
from runbus.runtime.errors import PoisonError, RetryableError
from runbus.runtime.logs import Log
from runbus.runtime.tracing import Received, Tracing
from runbus.sdk.bus import Bus
from runbus.sdk.errors import BusUnreachableError

VERSION = "1.0.0"
AT_ONCE_MAX = 128
ANSWER_TIMEOUT_S = 15.0

Answer = Callable[[str, dict[str, str], bytes], Awaitable[bytes]]


class Api:
    """Serves some verbs until told to stop."""

    def __init__(
        self, bus: Bus, log: Log, verbs: dict[str, Answer], tracing: Tracing | None = None
    ) -> None:
        self._bus = bus
        self._log = log
        self._verbs = verbs
        self._tracing = tracing or Tracing()
        self._at_once = asyncio.Semaphore(AT_ONCE_MAX)

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve; then let what is in hand be answered."""
        config = ServiceConfig(
            name=subjects.API_SERVICE,
            version=VERSION,
            description="submit, lint and explain run documents",
        )
        service = await add_service(self._bus.native(), config)
        async with asyncio.TaskGroup() as tasks:
            for verb, answer in self._verbs.items():
                await service.add_endpoint(
                    EndpointConfig(
                        name=verb, subject=subjects.api(verb), handler=self._taker(tasks, answer)
                    )
                )
            await stopping.wait()
            await service.stop()

    def _taker(
        self, tasks: asyncio.TaskGroup, answer: Answer
    ) -> Callable[[Request], Awaitable[None]]:
        async def take(request: Request) -> None:
            if not request._msg.reply:  # nats-py tells it nowhere else
                self._log.warning("request without a reply dropped", subject=request.subject)
                return
            await self._at_once.acquire()
            tasks.create_task(self._answer(request, answer))

        return take

    async def _answer(self, request: Request, answer: Answer) -> None:
        try:
            headers = {str(name): text for name, text in (request.headers or {}).items()}
            with self._tracing.handling(_received(request, headers)):
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    await request.respond(await answer(request.subject, headers, request.data))
        except (RetryableError, BusUnreachableError, TimeoutError) as error:
            self._log.warning("request not answered", subject=request.subject, reason=str(error))
            await self._refuse(request, "503", "not now: try again")
        except (PoisonError, subjects.SubjectError) as error:
            await self._refuse(request, "400", str(error))
        except Exception as error:  # noqa: BLE001 - a loop: one request never ends the service
            self._log.exception("request failed", subject=request.subject)
            await self._refuse(request, "500", f"internal error: {type(error).__name__}")
        finally:
            self._at_once.release()

    async def _refuse(self, request: Request, code: str, text: str) -> None:
        one_line = cut(" ".join(text.split()))  # it stands in a header
        try:
            await request.respond_error(code, one_line)
        except nats.errors.Error as error:  # its client's own limit of time tells it
            self._log.warning("error answer not sent", subject=request.subject, reason=str(error))


def _received(request: Request, headers: dict[str, str]) -> Received:
    return Received(
        subject=request.subject,
        consumer=subjects.API_SERVICE,
        message_id="",
        body_bytes=len(request.data),
        traceparent=envelope.header(headers, envelope.TRACEPARENT),
    )
