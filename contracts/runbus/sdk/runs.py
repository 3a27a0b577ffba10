"""Runs as a client reads them: one entry of the bucket, one event, and which run a name means.

Pure: messages come in, values come out. Must not know connections or how anything is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from msgspec import Struct

from runbus.contracts import codec, subjects
from runbus.contracts.envelope import Envelope, from_stored
from runbus.contracts.events import RunEvent, type_token
from runbus.contracts.status import RunStatus
from runbus.contracts.streams import RUNS_BUCKET
from runbus.sdk.bus import StoredMessage

RUNS_STREAM = f"KV_{RUNS_BUCKET}"
SOURCE_HEADER = "Nats-Stream-Source"
CANDIDATES_MAX = 10

_KEY_PREFIX = f"$KV.{RUNS_BUCKET}."


class RunLookupError(Exception):
    """A run's name that does not lead to one run."""


class RunNotFoundError(RunLookupError):
    """No run has that id, id prefix or name."""


class AmbiguousRunError(RunLookupError):
    """Several runs fit; `candidates` are some of them, newest first."""

    def __init__(self, message: str, candidates: tuple[RunRecord, ...]) -> None:
        super().__init__(message)
        self.candidates = candidates


class RunRecord(Struct, frozen=True, kw_only=True):
    """A run as its newest event left it.

    `sequence` is that event's own in RUNBUS_EVENTS, never the bucket's; `event_type` is text,
    because a newer release may add types.
    """

    status: RunStatus
    event_type: str
    sequence: int
    updated_at: datetime | None = None

    @property
    def ref(self) -> str:
        """`<project>/<run id>`: names exactly one run."""
        return f"{self.status.project}/{self.status.run_id}"


class EventRecord(Struct, frozen=True, kw_only=True):
    """One event of a run, as stored."""

    project: str
    run_id: str
    event_type: str
    sequence: int
    envelope: Envelope
    status: RunStatus
    body: bytes
    stored_at: datetime | None = None

    @property
    def ref(self) -> str:
        """`<project>/<run id>`: names exactly one run."""
        return f"{self.project}/{self.run_id}"

    @property
    def record(self) -> RunRecord:
        """The run as this event left it."""
        return RunRecord(
            status=self.status,
            event_type=self.event_type,
            sequence=self.sequence,
            updated_at=self.envelope.time or self.stored_at,
        )

    def decoded(self) -> RunEvent:
        """Return the event's own Struct, with what only its type carries.

        Raises:
            UnknownTypeError: a newer release's type; `status` can be read all the same.
            BrokenMessageError: the body does not fit its type.

        """
        return codec.decode_event(codec.event_type_of(self.event_type), self.body)


def bucket_key(project: str = subjects.ANY, run_id: str = subjects.ANY) -> str:
    """Return the subject of the bucket's entry of a run, or a wildcard over several."""
    return f"{_KEY_PREFIX}{project}.{run_id}"


def event_sequence(message: StoredMessage) -> int:
    """Return the sequence in RUNBUS_EVENTS of an entry that the server copied into a bucket."""
    tokens = message.headers.get(SOURCE_HEADER, "").split()
    return int(tokens[1]) if len(tokens) > 1 and tokens[1].isdigit() else message.sequence


def record_of(message: StoredMessage) -> RunRecord:
    """Return the run that a bucket's entry, or an event itself, describes.

    Raises:
        BrokenMessageError: there is no readable status in it.

    """
    envelope = from_stored(message.headers)
    return RunRecord(
        status=codec.decode_status(message.data),
        event_type=type_token(envelope.type),
        sequence=event_sequence(message),
        updated_at=envelope.time or message.stored_at,
    )


def event_of(message: StoredMessage) -> EventRecord:
    """Return an event as stored in RUNBUS_EVENTS.

    Raises:
        SubjectError: the message is no event.
        BrokenMessageError: there is no readable status in it.

    """
    tokens = subjects.parse_event(message.subject)
    return EventRecord(
        project=tokens.project,
        run_id=tokens.run_id,
        event_type=tokens.event_type,
        sequence=message.sequence,
        envelope=from_stored(message.headers),
        status=codec.decode_status(message.data),
        body=message.data,
        stored_at=message.stored_at,
    )


def cloud_event(event: EventRecord) -> dict[str, object]:
    """Return an event as a CloudEvent in structured mode, `sequence` as the extension has it."""
    time = event.envelope.time or event.stored_at
    attributes = {
        "specversion": "1.0",
        "id": event.envelope.id,
        "type": event.envelope.type,
        "source": event.envelope.source,
        "subject": event.envelope.subject or event.run_id,
        "time": time.isoformat().replace("+00:00", "Z") if time is not None else None,
        "traceparent": event.envelope.traceparent,
        "sequence": str(event.sequence),
        "datacontenttype": "application/json",
    }
    found: dict[str, object] = {name: value for name, value in attributes.items() if value}
    found["data"] = msgspec.Raw(event.body)
    return found


def split_ref(text: str) -> tuple[str | None, str]:
    """Return project and the rest of `[project/]run`."""
    project, found, rest = text.rpartition("/")
    return (project, rest) if found else (None, text)


def pick_run(text: str, records: Iterable[RunRecord]) -> RunRecord:
    """Return the one run that a text means: by id, else by document name, else by id prefix.

    Args:
        text: `[project/]` and a run id, the unique start of one, or a document's name.
        records: runs to choose from.

    Raises:
        RunNotFoundError: none fits.
        AmbiguousRunError: several fit.

    """
    project, wanted = split_ref(text)
    found = [each for each in records if project in (None, each.status.project)]
    for fits in (
        [each for each in found if each.status.run_id == wanted],
        [each for each in found if wanted and each.status.name == wanted],
        [each for each in found if wanted and each.status.run_id.startswith(wanted)],
    ):
        if len(fits) == 1:
            return fits[0]
        if fits:
            raise AmbiguousRunError(
                f"{len(fits)} runs fit {text!r}", tuple(newest_first(fits)[:CANDIDATES_MAX])
            )
    message = f"no run fits {text!r}"
    raise RunNotFoundError(message)


def newest_first(records: Iterable[RunRecord]) -> list[RunRecord]:
    """Return runs in order of their newest event, the newest first."""
    return sorted(records, key=lambda each: each.sequence, reverse=True)
