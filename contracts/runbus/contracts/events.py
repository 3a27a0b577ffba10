"""What happened to a run: one Struct per event type, in the past tense.

The type stands in the envelope (`ce-type` and the last token of the subject), the body is the
Struct. Each carries the whole folded status; three carry more. `transitions` says which event may
follow which state, and who may publish it.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from runbus.contracts.document import RunDocument
from runbus.contracts.placement import Platform
from runbus.contracts.states import EventType
from runbus.contracts.status import RunStatus
from runbus.contracts.violations import Violation


class RunEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part that every event of a run has."""

    status: RunStatus


class Overridden(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a lower level said about a setting, and was not listened to."""

    level: Annotated[str, Meta(description="shipped, service, …: in the order in which they win")]
    value: Any = None


class RunAccepted(RunEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The document is valid, and resolved: defaults are merged in."""

    document: Annotated[RunDocument, Meta(description="the effective document")]
    platform: Annotated[
        Platform, Meta(description="spot nodes and GPU tolerations when it was accepted")
    ] = Platform()
    document_hash: Annotated[str, Meta(description="SHA-256 of the document as submitted")] = ""
    function_hash: Annotated[
        str, Meta(description="SHA-256 of the function's file in the catalogue; empty: none")
    ] = ""
    idempotency_key: str | None = None
    warnings: tuple[Violation, ...] = ()
    origins: Annotated[
        dict[str, str] | None,
        Meta(
            description="which level each setting came from, by JSON pointer; one that is not here"
            " came from the run itself. null: not known"
        ),
    ] = None
    overrode: Annotated[
        dict[str, tuple[Overridden, ...]],
        Meta(description="what lower levels said about a setting, by JSON pointer"),
    ] = {}


class RunRejected(RunEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The document was refused; every violation is listed, and nothing else happens."""

    violations: tuple[Violation, ...] = ()
    idempotency_key: str | None = None


class RunQueued(RunEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The run waits for admission; the reason says for what."""


class RunAdmitted(RunEvent, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt may be created now; its number is fixed here."""

    document: Annotated[RunDocument, Meta(description="the effective document")]
    platform: Annotated[
        Platform, Meta(description="spot nodes and GPU tolerations when it was accepted")
    ] = Platform()


class RunLaunched(RunEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The objects of the attempt exist. The state stays `admitted` until a pod is read."""


class RunLaunchFailed(RunEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The API server refused the objects; its own message is in the status."""


class RunHeld(RunEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The objects exist and a queue outside holds them."""


class RunPendingNotScheduled(RunEvent, frozen=True, kw_only=True, omit_defaults=True):
    """No node has been found yet."""


class RunPendingScheduled(RunEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A node is found; the main container has not started."""


class RunImagePullBackoff(RunEvent, frozen=True, kw_only=True, omit_defaults=True):
    """An image cannot be pulled."""


class RunRunning(RunEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The program runs."""


class RunDeadlineChanged(RunEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A limit was moved, paused or resumed. The state stays."""

    changed_by: str = ""
    why: str = ""
    threshold: Annotated[str | None, Meta(description="whose limit")] = None
    action: Annotated[str | None, Meta(description="extend, move, pause or resume")] = None
    command: Annotated[
        int | None, Meta(description="sequence of the command in RUNBUS_COMMANDS")
    ] = None


class RunCompleted(RunEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The program ended with success. Final."""


class RunAttemptFailed(RunEvent, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt ended without success; `status.state` says whether another follows."""


class RunAborting(RunEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The run is being aborted; `status.abort` says why. Its objects are being deleted."""


class RunAbortWithdrawn(RunEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A threshold's abort came too late: the state judged was left before the delete."""


class RunAborted(RunEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Nothing of the run is left in the cluster. Final."""


EVENT_STRUCTS: dict[EventType, type[RunEvent]] = {
    EventType.ACCEPTED: RunAccepted,
    EventType.REJECTED: RunRejected,
    EventType.QUEUED: RunQueued,
    EventType.ADMITTED: RunAdmitted,
    EventType.LAUNCHED: RunLaunched,
    EventType.LAUNCH_FAILED: RunLaunchFailed,
    EventType.HELD: RunHeld,
    EventType.PENDING_NOT_SCHEDULED: RunPendingNotScheduled,
    EventType.PENDING_SCHEDULED: RunPendingScheduled,
    EventType.IMAGE_PULL_BACKOFF: RunImagePullBackoff,
    EventType.RUNNING: RunRunning,
    EventType.DEADLINE_CHANGED: RunDeadlineChanged,
    EventType.COMPLETED: RunCompleted,
    EventType.ATTEMPT_FAILED: RunAttemptFailed,
    EventType.ABORTING: RunAborting,
    EventType.ABORT_WITHDRAWN: RunAbortWithdrawn,
    EventType.ABORTED: RunAborted,
}


def ce_type(event_type: EventType) -> str:
    """Return the CloudEvents type of an event type, with its version."""
    return f"dev.runbus.run.{event_type.value}.v1"


def type_token(cloud_events_type: str) -> str:
    """Return the event type's token of a CloudEvents type, whatever its version; else empty."""
    tokens = cloud_events_type.split(".")
    return tokens[3] if len(tokens) == 5 and tokens[:3] == ["dev", "runbus", "run"] else ""
