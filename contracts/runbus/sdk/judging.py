"""Ask the spec-validator about a document. It must not know what is asked, or what is answered."""

from __future__ import annotations

from collections.abc import Mapping

from runbus.contracts import envelope, subjects
from runbus.sdk.bus import Bus
from runbus.sdk.errors import BusRefusedError


async def judged_by(
    bus: Bus, verb: str, project: str, body: bytes, headers: Mapping[str, str], timeout_s: float
) -> bytes:
    """Send a request to one of the verbs of its API, and return the answer's body.

    Raises:
        BusTimeoutError, BusUnreachableError: nobody answered.
        BusRefusedError: it could not come to a verdict.

    """
    reply = await bus.request(subjects.api(verb, project), body, headers, timeout_s=timeout_s)
    problem = envelope.header(reply.headers, "Nats-Service-Error")
    if problem is not None:
        text = f"spec-validator could not judge the document: {problem}"
        raise BusRefusedError(text)
    return reply.data
