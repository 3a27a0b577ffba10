"""The words of a run's life: states, kinds, roles, classes and reasons, as enums.

States and their order are those of the state table (docs/ARCHITECTURE.md); `transitions` says which
event leads from one to another. Enums that arrive from other releases fall back to `unknown`
instead of failing, because msgspec refuses an enum member it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class RunState(StrEnum):
    """Where a run stands. Final states are never left."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    ADMITTED = "admitted"
    HELD = "held"
    PENDING_NOT_SCHEDULED = "pending_not_scheduled"
    PENDING_SCHEDULED = "pending_scheduled"
    IMAGE_PULL_BACKOFF = "image_pull_backoff"
    RUNNING = "running"
    RETRYING = "retrying"
    ABORTING = "aborting"
    COMPLETED = "completed"
    ERROR = "error"
    ABORTED = "aborted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> RunState:
        return cls.UNKNOWN

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow this state."""
        return self in FINAL_STATES

    @property
    def is_pending(self) -> bool:
        """Whether objects exist, and the program has not started."""
        return self in PENDING_STATES


FINAL_STATES = frozenset({RunState.COMPLETED, RunState.ERROR, RunState.ABORTED, RunState.REJECTED})
PENDING_STATES = frozenset(
    {
        RunState.PENDING_NOT_SCHEDULED,
        RunState.PENDING_SCHEDULED,
        RunState.IMAGE_PULL_BACKOFF,
    }
)
# From here on objects of the attempt may exist in Kubernetes.
OBJECT_STATES = frozenset({RunState.ADMITTED, RunState.HELD, RunState.RUNNING}) | PENDING_STATES


class EventType(StrEnum):
    """The event types of release 1; also the last token of an event's subject."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    QUEUED = "queued"
    ADMITTED = "admitted"
    LAUNCHED = "launched"
    LAUNCH_FAILED = "launch_failed"
    HELD = "held"
    PENDING_NOT_SCHEDULED = "pending_not_scheduled"
    PENDING_SCHEDULED = "pending_scheduled"
    IMAGE_PULL_BACKOFF = "image_pull_backoff"
    RUNNING = "running"
    DEADLINE_CHANGED = "deadline_changed"
    COMPLETED = "completed"
    ATTEMPT_FAILED = "attempt_failed"
    ABORTING = "aborting"
    ABORT_WITHDRAWN = "abort_withdrawn"
    ABORTED = "aborted"


class Kind(StrEnum):
    """What sort of run a document asks for."""

    JOB = "job"
    MPIJOB = "mpijob"
    SPARK = "spark"
    DASK = "dask"
    NUCLIO = "nuclio"
    SERVING = "serving"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> Kind:
        return cls.UNKNOWN


class Role(StrEnum):
    """What one pod of a run is for."""

    MAIN = "main"
    LAUNCHER = "launcher"
    WORKER = "worker"
    DRIVER = "driver"
    EXECUTOR = "executor"
    SCHEDULER = "scheduler"
    RUNNER = "runner"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> Role:
        return cls.UNKNOWN


# Of dask, only a job has a runner. The other kinds have no role but main.
ROLES_BY_KIND: Mapping[Kind, tuple[Role, ...]] = {
    Kind.MPIJOB: (Role.LAUNCHER, Role.WORKER),
    Kind.SPARK: (Role.DRIVER, Role.EXECUTOR),
    Kind.DASK: (Role.SCHEDULER, Role.WORKER, Role.RUNNER),
}


class OutcomeClass(StrEnum):
    """Whose fault the end of an attempt was: the program and its settings, or the platform."""

    USER = "user"
    INFRASTRUCTURE = "infrastructure"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> OutcomeClass:
        return cls.UNKNOWN


class Threshold(StrEnum):
    """The states that can have a limit, and the two limits that belong to no single state."""

    QUEUED = "queued"
    HELD = "held"
    PENDING_NOT_SCHEDULED = "pending_not_scheduled"
    PENDING_SCHEDULED = "pending_scheduled"
    IMAGE_PULL_BACKOFF = "image_pull_backoff"
    RUNNING = "running"
    OPERATOR_SILENT = "operator_silent"
    TOTAL = "total"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> Threshold:
        return cls.UNKNOWN


class Reason(StrEnum):
    """Reason codes that runbus itself gives. Kubernetes' own reasons are passed on as they are."""

    # queued
    QUOTA_EXCEEDED = "QuotaExceeded"
    SERVICE_LIMIT_REACHED = "ServiceLimitReached"
    # ends of attempts
    LAUNCH_REFUSED = "LaunchRefused"
    OBJECT_NOT_OURS = "ObjectNotOurs"
    POD_LOST = "PodLost"
    POD_DELETED = "PodDeleted"
    SPOT_RECLAIMED = "SpotReclaimed"
    INTERNAL_ERROR = "InternalError"
    COMPLETED = "Completed"
    ERROR = "Error"
    # aborts
    THRESHOLD_EXCEEDED = "ThresholdExceeded"
    IMAGE_NEVER_PULLABLE = "ImageNeverPullable"
    ABORTED_BY_USER = "AbortedByUser"
    # rejections
    INVALID_DOCUMENT = "InvalidDocument"
    KEY_REUSED = "IdempotencyKeyReused"
