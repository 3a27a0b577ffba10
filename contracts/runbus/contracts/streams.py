"""Streams, buckets and consumers as data: the one truth for `runbus init` and for the services.

Sizes and names are part of the contract: other languages bind to them. Nothing here is ever
deleted by runbus; an upgrade only changes what may be changed in place.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from runbus.contracts import subjects
from runbus.contracts.states import EventType
from runbus.contracts.transitions import Publisher

COMMANDS = "RUNBUS_COMMANDS"
EVENTS = "RUNBUS_EVENTS"
EVIDENCE = "RUNBUS_EVIDENCE"
DEADLETTERS = "RUNBUS_DEADLETTERS"

RUNS_BUCKET = "runs"
LIVE_BUCKET = "live"
DEFAULTS_BUCKET = "defaults"
FUNCTIONS_BUCKET = "functions"
LEASES_BUCKET = "leases"

DEFAULTS_KEY = "service"  # the one key of its bucket: the whole defaults file as text

MAX_MESSAGE_BYTES = 1024 * 1024


class Retention(StrEnum):
    """What removes a message from a stream."""

    LIMITS = "limits"
    WORK_QUEUE = "workqueue"


class StreamSpec(Struct, frozen=True, kw_only=True):
    """One stream. `max_age_s` 0 means for ever."""

    name: str
    subjects: tuple[str, ...]
    description: str
    retention: Retention = Retention.LIMITS
    max_age_s: float = 0.0
    duplicate_window_s: float = 120.0


class BucketSpec(Struct, frozen=True, kw_only=True):
    """One key-value bucket.

    `sourced_to` makes it a bucket that the server fills from RUNBUS_EVENTS: the destination of
    the subject transform over `runbus.v1.run.<1 project>.<2 run>.<3 shard>.<4 type>`. Such a
    bucket has no subjects of its own, so nobody else can write to it.
    """

    name: str
    description: str
    sourced_to: str | None = None
    history: int = 1
    message_ttl: bool = False


class ConsumerSpec(Struct, frozen=True, kw_only=True):
    """One durable pull consumer. Filters of one work queue's consumers never overlap."""

    name: str
    stream: str
    filter_subject: str
    service: Publisher
    ack_wait_s: float = 30.0
    max_ack_pending: int = 1000


STREAMS: tuple[StreamSpec, ...] = (
    StreamSpec(
        name=COMMANDS,
        subjects=(
            subjects.submit(),
            subjects.command(subjects.ABORT),
            subjects.command(subjects.DEADLINE),
            subjects.command(subjects.CLEANUP),
            subjects.command(subjects.EVIDENCE_OF),
        ),
        description="commands, kept until they are carried out",
        retention=Retention.WORK_QUEUE,
    ),
    StreamSpec(
        name=EVENTS,
        subjects=(subjects.events_of_project(),),
        # No max_age: a run that outlives it could never store its next event.
        description="the events of every run",
    ),
    StreamSpec(
        name=EVIDENCE,
        subjects=(subjects.evidence(),),
        description="evidence of aborts and failures, log tails",
    ),
    StreamSpec(
        name=DEADLETTERS,
        subjects=(subjects.dead_letter(),),
        description="messages that could not be handled, with the reason",
        max_age_s=30 * 86400.0,
    ),
)

BUCKETS: tuple[BucketSpec, ...] = (
    BucketSpec(
        name=RUNS_BUCKET,
        description="<project>.<run>: the newest event of each run",
        sourced_to="{{wildcard(1)}}.{{wildcard(2)}}",
    ),
    BucketSpec(
        name=LIVE_BUCKET,
        description="<shard>.<project>.<run>: the newest event of each run not yet final",
        sourced_to="{{wildcard(3)}}.{{wildcard(1)}}.{{wildcard(2)}}",
    ),
    BucketSpec(name=DEFAULTS_BUCKET, description="settings by level", history=10),
    BucketSpec(name=FUNCTIONS_BUCKET, description="the function catalogue", history=10),
    BucketSpec(name=LEASES_BUCKET, description="who owns what", message_ttl=True),
)

SUBMIT_CONSUMER = "spec-validator"
LAUNCH_CONSUMER = "pod-launcher"
ABORT_CONSUMER = "aborter-abort"
CLEANUP_CONSUMER = "aborter-cleanup"
DEADLINE_CONSUMER = "state-watcher-deadline"
EVIDENCE_CONSUMER = "aborter-evidence"

CONSUMERS: tuple[ConsumerSpec, ...] = (
    ConsumerSpec(
        name=SUBMIT_CONSUMER,
        stream=COMMANDS,
        filter_subject=subjects.submit(),
        service=Publisher.SPEC_VALIDATOR,
    ),
    ConsumerSpec(
        name=LAUNCH_CONSUMER,
        stream=EVENTS,
        filter_subject=subjects.events_of_type(EventType.ADMITTED),
        service=Publisher.POD_LAUNCHER,
    ),
    ConsumerSpec(
        name=ABORT_CONSUMER,
        stream=COMMANDS,
        filter_subject=subjects.command(subjects.ABORT),
        service=Publisher.ABORTER,
    ),
    ConsumerSpec(
        name=DEADLINE_CONSUMER,
        stream=COMMANDS,
        filter_subject=subjects.command(subjects.DEADLINE),
        service=Publisher.STATE_WATCHER,
    ),
    ConsumerSpec(
        name=CLEANUP_CONSUMER,
        stream=COMMANDS,
        filter_subject=subjects.command(subjects.CLEANUP),
        service=Publisher.ABORTER,
    ),
    ConsumerSpec(
        name=EVIDENCE_CONSUMER,
        stream=COMMANDS,
        filter_subject=subjects.command(subjects.EVIDENCE_OF),
        service=Publisher.ABORTER,
    ),
)


def consumer(name: str) -> ConsumerSpec:
    """Return a consumer's data by name.

    Raises:
        LookupError: there is no such consumer.

    """
    for spec in CONSUMERS:
        if spec.name == name:
            return spec
    message = f"there is no consumer {name!r}"
    raise LookupError(message)
