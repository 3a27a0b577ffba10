"""What runbus can be asked to do: commands on a run, in the imperative.

A submit command has no Struct of its own: its body is the run document. Commands stand in the
work queue RUNBUS_COMMANDS until they are carried out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from runbus.contracts.evidence import EvidenceCause
from runbus.contracts.moments import Moment
from runbus.contracts.states import RunState, Threshold


class AbortRun(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """End a run and delete what it has in the cluster.

    An empty body is a user's abort of whatever the run is doing. The fields from `attempt` on are
    the fences of a threshold's abort: the run must still stand where it was judged.
    """

    by: Annotated[str, Meta(description="who asks; default: the client's identity")] = ""
    message: Annotated[str, Meta(description="why, for people")] = ""
    by_user: Annotated[bool, Meta(description="false only for the state-watcher's own")] = True
    reason: Annotated[str, Meta(description="a stable code")] = ""
    attempt: int | None = None
    if_sequence: Annotated[
        int | None, Meta(description="only if this is still the run's last event")
    ] = None
    state: RunState | None = None
    threshold: Annotated[Threshold | None, Meta(description="whose limit was passed")] = None
    since: Moment | None = None
    limit_s: float | None = None
    overdue_ms: int | None = None
    requested_at: Moment | None = None


class DeadlineAction(StrEnum):
    """What can be done to a limit of a live run."""

    EXTEND = "extend"
    MOVE = "move"
    PAUSE = "pause"
    RESUME = "resume"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> DeadlineAction:
        return cls.UNKNOWN


class ChangeDeadline(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Extend a limit of a live run, move its deadline, or stop and start its clock.

    Applied once, whatever the run's state; the answer is a `deadline_changed` event that names
    the command. What cannot be done goes to the dead letters with the reason.
    """

    threshold: Annotated[Threshold, Meta(description="whose limit")]
    action: DeadlineAction
    extend_s: Annotated[float | None, Meta(description="extend: seconds to add")] = None
    at: Annotated[
        Moment | None, Meta(description="move: the new deadline of a clock that runs")
    ] = None
    by: Annotated[str, Meta(description="who asks; default: the client's identity")] = ""
    message: Annotated[str, Meta(description="why, for people")] = ""


class CleanUpCause(StrEnum):
    """Why an object has to go."""

    ABORTING = "aborting"
    LATE = "late"
    ENDED = "ended"  # its main container has ended, a sidecar still runs
    TTL = "ttl"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> CleanUpCause:
        return cls.UNKNOWN


class ObjectFence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One object by what cannot be confused: its uid."""

    kind: str = "Pod"
    namespace: str
    name: str
    uid: str


class CleanUpObjects(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Delete objects of a run that must not be there any longer.

    `if_sequence` is the run's last event when the owner judged. The aborter judges again on the
    newest event before it deletes, so a stale command does nothing.
    """

    attempt: int
    cause: CleanUpCause
    objects: tuple[ObjectFence, ...] = ()
    if_sequence: int = 0


class KeepEvidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Store the log tail and the last statuses of an attempt that has ended, or is about to."""

    attempt: int
    namespace: str
    objects: tuple[ObjectFence, ...] = ()
    cause: Annotated[
        EvidenceCause, Meta(description="`deleting`: somebody else deletes the pod")
    ] = EvidenceCause.ENDED
