"""What a bus of several servers answers a publish, and what it means to whoever publishes."""

from __future__ import annotations

import msgspec
import pytest
from nats.aio.msg import Msg

from runbus.sdk.errors import BusError, BusUnreachableError, WrongSequenceError
from support.buses import TestBus

SUBJECT = "anywhere"


@pytest.mark.parametrize(
    ("code", "error_code", "description", "expected"),
    [
        (400, 10071, "wrong last sequence: 7", WrongSequenceError),
        (400, 10164, "wrong last sequence", WrongSequenceError),
        (409, 10158, "duplicate message id is in process", BusUnreachableError),
        (503, 10163, "expected last sequence per subject unavailable", BusUnreachableError),
    ],
)
async def test_what_may_be_different_in_a_moment_is_no_refusal(
    on: TestBus, code: int, error_code: int, description: str, expected: type[BusError]
) -> None:
    error = {"code": code, "err_code": error_code, "description": description}

    async def answer(msg: Msg) -> None:
        await msg.respond(msgspec.json.encode({"error": error}))

    await on.bus.subscribe(SUBJECT, answer)
    with pytest.raises(expected, match=description):
        await on.bus.publish(SUBJECT, b"")
