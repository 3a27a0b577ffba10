"""The request-reply endpoints on a real bus: whatever comes in, the next request is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from nats.aio.msg import Msg

from runbus.contracts import subjects
from runbus.contracts.streams import MAX_MESSAGE_BYTES
from runbus.runtime.errors import PoisonError, RetryableError
from runbus.sdk.errors import BusUnreachableError
from runbus.spec_validator.api import Api
from support.buses import TestBus
from support.runs import PROJECT

LINT = subjects.api(subjects.API_LINT, PROJECT)


async def answer(_subject: str, _headers: dict[str, str], body: bytes) -> bytes:
    """Return the body, unless it says what is to go wrong."""
    match body:
        case b"bug":
            raise ZeroDivisionError
        case b"retry":
            text = "no bus"
            raise RetryableError(text)
        case b"poison":
            text = "cannot be read"
            raise PoisonError(text)
        case b"large":
            return b"x" * (MAX_MESSAGE_BYTES + 1)
    return body


@asynccontextmanager
async def served(on: TestBus) -> AsyncIterator[None]:
    """Serve for the length of a block; what ends the serving ends the block."""
    stopping = asyncio.Event()
    api = Api(on.bus, on.log, {subjects.API_LINT: answer})
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(api.run(stopping))
        while not await is_there(on):
            await on.bus.ping()
        yield
        stopping.set()


async def is_there(on: TestBus) -> bool:
    try:
        await on.bus.request(LINT, b"there?")
    except BusUnreachableError:
        return False
    return True


async def ask(on: TestBus, body: bytes) -> tuple[bytes, str, str]:
    """Return the answer's body, and its error's code and text."""
    msg: Msg = await on.bus.request(LINT, body)
    headers = msg.headers or {}
    code, text = headers.get("Nats-Service-Error-Code"), headers.get("Nats-Service-Error")
    return msg.data, code or "", text or ""


async def test_a_message_that_wants_no_reply_is_dropped(on: TestBus) -> None:
    async with served(on):
        await on.bus.send(LINT, b"no reply wanted")

        assert await ask(on, b"next") == (b"next", "", "")


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (b"retry", "503", "try again"),
        (b"poison", "400", "cannot be read"),
        (b"bug", "500", "ZeroDivisionError"),
        (b"large", "500", "MaxPayloadError"),
    ],
)
async def test_what_goes_wrong_is_an_error_answer_and_the_next_request_is_answered(
    on: TestBus, body: bytes, code: str, text: str
) -> None:
    async with served(on):
        data, told_code, told_text = await ask(on, body)

        assert (data, told_code) == (b"", code)
        assert text in told_text
        assert await ask(on, b"next") == (b"next", "", "")
