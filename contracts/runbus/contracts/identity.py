"""Where names come from: run ids, shards, event ids, object names, traces. All deterministic.

The same request gives the same run id, and the same transition the same event id, whoever
computes it and however often: this is what makes redelivery harmless.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib

from runbus.contracts.states import EventType

SHARDS = 64
RUN_ID_LENGTH = 12

# W3C Trace Context. A version after 00 may add to it; what it adds is not passed on.
_TRACEPARENT = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})"
    r"-(?P<span>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?\Z"
)


def run_id_from_key(project: str, key: str) -> str:
    """Return the run id of a request with an idempotency key."""
    return _digest("key", project, key)


def run_id_from_sequence(stream_created: str, sequence: int) -> str:
    """Return the run id of a request without a key, or of a rejection.

    Args:
        stream_created: creation time of the commands stream, so that a remade stream, which
            counts from 1 again, does not repeat ids.
        sequence: the command's sequence in that stream.

    """
    return _digest("seq", stream_created, str(sequence))


def run_id_from_random(random_bytes: bytes) -> str:
    """Return the run id of a request-reply submit without a key, from at least 8 random bytes."""
    return _digest("random", random_bytes.hex())


def shard_of(run_id: str) -> str:
    """Return the shard of a run, `00` to `3f`: crc32 of its id modulo 64."""
    return f"{zlib.crc32(run_id.encode()) % SHARDS:02x}"


def event_id(run_id: str, attempt: int, event_type: EventType, expected_sequence: int) -> str:
    """Return the id of one transition; two tries to store it share the id."""
    return f"{run_id}-{attempt}-{event_type.value}-{expected_sequence}"


def object_name(name: str, run_id: str, attempt: int) -> str:
    """Return the name of what an attempt creates: "already exists" then means "and is ours"."""
    return f"{name}-{run_id}-{attempt}"


def child_traceparent(parent: str | None, run_id: str, own_event_id: str) -> str:
    """Return the W3C traceparent of an event: the request's trace, a span of its own.

    A request without a (valid) traceparent starts the trace that belongs to its run id.
    """
    parts = trace_parts(parent)
    if parts is not None:
        trace, _, flags = parts
    else:
        trace, flags = hashlib.sha256(f"trace\n{run_id}".encode()).hexdigest()[:32], "01"
    span = hashlib.sha256(f"span\n{own_event_id}".encode()).hexdigest()[:16]
    return f"00-{trace}-{span}-{flags}"


def trace_parts(traceparent: str | None) -> tuple[str, str, str] | None:
    """Return trace id, span id and flags of a W3C traceparent, in hex; None for no valid one."""
    valid = _TRACEPARENT.match(traceparent or "")
    if valid is None or (valid["version"] == "00" and valid["more"]):
        return None
    return valid["trace"], valid["span"], valid["flags"]


def _digest(*parts: str) -> str:
    # A length before each part keeps ("a", "bc") and ("ab", "c") apart.
    joined = "".join(f"{len(part)}:{part}" for part in parts)
    digest = hashlib.sha256(joined.encode()).digest()
    return base64.b32encode(digest).decode().lower()[:RUN_ID_LENGTH]
