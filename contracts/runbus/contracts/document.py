"""The run document: what a user asks for, and, with defaults merged in, what a run is made of.

One Struct serves as input and as effective document: every setting may be left out, and what is
left out is None. Which values are right is checked by the settings, from the types here; what
they do to Kubernetes objects is the launcher's. Source: the page on settings, section 1.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from runbus.contracts.document_kinds import REPLICAS_MAX, Dask, Mpi, Nuclio, Spark
from runbus.contracts.document_pod import (
    EmptyDir,
    EnvFrom,
    EnvVariable,
    Gpus,
    KeyReference,
    Resources,
    SecurityContext,
    V3io,
    Volume,
)
from runbus.contracts.grammars import (
    AbsolutePath,
    AnnotationKey,
    Duration,
    DurationOrInfinite,
    FunctionReference,
    Image,
    LabelKey,
    LabelValue,
    NodeSelector,
    ObjectName,
    Parameters,
    Project,
    RetryCause,
    RunName,
    Text,
    from_0_to,
    from_1_to,
)
from runbus.contracts.placement import Affinity, Toleration
from runbus.contracts.states import Kind

# The one door to the Structs of a document; those of its parts stand in modules of their own.
__all__ = [
    "DOCUMENT_BYTES_MAX",
    "PARAMETERS_BYTES_MAX",
    "RETRIES_MAX",
    "Dask",
    "EmptyDir",
    "EnvFrom",
    "EnvVariable",
    "Gpus",
    "ImagePullPolicy",
    "KeyReference",
    "LogLevel",
    "Mpi",
    "Nuclio",
    "PreemptionMode",
    "Queue",
    "QueueSystem",
    "Resources",
    "Retry",
    "RoleSettings",
    "Roles",
    "RunDocument",
    "SecurityContext",
    "Spark",
    "StateThresholds",
    "V3io",
    "Volume",
]

DOCUMENT_BYTES_MAX = 512 * 1024
PARAMETERS_BYTES_MAX = 96 * 1024
RETRIES_MAX = 100
TARGET_CPU_MAX = 1000


class LogLevel(StrEnum):
    """How much the code of a run is asked to log."""

    ERROR = "error"
    WARN = "warn"
    INFO = "info"
    DEBUG = "debug"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> LogLevel:
        return cls.UNKNOWN


class ImagePullPolicy(StrEnum):
    """When a node fetches the image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> ImagePullPolicy:
        return cls.UNKNOWN


class PreemptionMode(StrEnum):
    """What a run may do with nodes that can be reclaimed (spot nodes)."""

    ALLOW = "allow"
    CONSTRAIN = "constrain"
    PREVENT = "prevent"
    NONE = "none"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> PreemptionMode:
        return cls.UNKNOWN


class QueueSystem(StrEnum):
    """Who decides when a run may start."""

    RUNBUS = "runbus"
    KUEUE = "kueue"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> QueueSystem:
        return cls.UNKNOWN


_LIMIT = {"null": False}


class StateThresholds(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long a run may stay in a state; `-1` is no limit."""

    queued: Annotated[
        DurationOrInfinite | None, Meta(description="until it is admitted", extra=_LIMIT)
    ] = None
    held: Annotated[
        DurationOrInfinite | None, Meta(description="held by a queue outside", extra=_LIMIT)
    ] = None
    pending_not_scheduled: Annotated[
        DurationOrInfinite | None, Meta(description="no node found", extra=_LIMIT)
    ] = None
    pending_scheduled: Annotated[
        DurationOrInfinite | None, Meta(description="on a node, not started", extra=_LIMIT)
    ] = None
    image_pull_backoff: Annotated[
        DurationOrInfinite | None, Meta(description="an image cannot be pulled", extra=_LIMIT)
    ] = None
    running: Annotated[
        DurationOrInfinite | None, Meta(description="the program runs", extra=_LIMIT)
    ] = None
    executing: Annotated[
        DurationOrInfinite | None, Meta(description="the same as running", extra=_LIMIT)
    ] = None
    operator_silent: Annotated[
        DurationOrInfinite | None, Meta(description="an operator makes no pods", extra=_LIMIT)
    ] = None
    total: Annotated[DurationOrInfinite | None, Meta(description="the whole run", extra=_LIMIT)] = (
        None
    )


class Retry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a failed attempt is followed by another."""

    limit: Annotated[
        int | None,
        from_0_to(RETRIES_MAX),
        Meta(description="retries after the first attempt"),
    ] = None
    backoff: Annotated[Duration | None, Meta(description="before the second; doubles")] = None
    backoff_max: Annotated[Duration | None, Meta(description="the longest backoff")] = None
    on: Annotated[
        tuple[RetryCause, ...] | None,
        Meta(description="classes (user, infrastructure), states or reasons"),
    ] = None


class Queue(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a run waits until it may start."""

    name: Annotated[
        ObjectName | None, Meta(description="the queue; with kueue: the LocalQueue")
    ] = None
    system: Annotated[
        QueueSystem | None,
        Meta(description="who admits it: runbus (default), or kueue (job, mpijob, spark)"),
    ] = None


class RoleSettings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Settings of one role of a distributed run, merged over the run's own as one more level."""

    env: Annotated[
        tuple[EnvVariable, ...] | None, Meta(description="variables; merged by name")
    ] = None
    resources: Annotated[Resources | None, Meta(description="of the role's container")] = None
    preemption_mode: Annotated[PreemptionMode | None, Meta(description="spot nodes or not")] = None
    priority_class: Annotated[ObjectName | None, Meta(description="a PriorityClass")] = None
    node_selector: Annotated[
        NodeSelector | None,
        Meta(description="labels of the node; an empty value cancels an inherited key"),
    ] = None
    tolerations: Annotated[tuple[Toleration, ...] | None, Meta(description="Kubernetes' own")] = (
        None
    )
    affinity: Annotated[Affinity | None, Meta(description="Kubernetes' own")] = None


class Roles(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Settings by role; each kind has roles of its own."""

    launcher: Annotated[RoleSettings | None, Meta(description="mpijob")] = None
    worker: Annotated[RoleSettings | None, Meta(description="mpijob, dask")] = None
    driver: Annotated[RoleSettings | None, Meta(description="spark")] = None
    executor: Annotated[RoleSettings | None, Meta(description="spark")] = None
    scheduler: Annotated[RoleSettings | None, Meta(description="dask")] = None
    runner: Annotated[RoleSettings | None, Meta(description="dask, mode job")] = None


class RunDocument(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run: what is asked for, or, in events, what came out after the defaults."""

    project: Annotated[Project | None, Meta(description="whose run it is; required")] = None
    name: Annotated[RunName | None, Meta(description="for people and object names; required")] = (
        None
    )
    user: Annotated[Text | None, Meta(description="who asked; default: the client")] = None
    kind: Annotated[Kind | None, Meta(description="what sort of run; required")] = None
    function: Annotated[
        FunctionReference | None,
        Meta(description="a function of the catalogue; the rest of the document overrides it"),
    ] = None
    image: Annotated[Image | None, Meta(description="the image; required after defaults")] = None
    command: Annotated[
        str | tuple[str, ...] | None,
        Meta(
            description="the container command; text is one element and never split. spark: the"
            " application's file; mpijob: what mpirun starts"
        ),
    ] = None
    args: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="arguments; `{name}` is filled in where the parameters have that name, `{{`"
            " and its `}}` are braces, and any other brace stays"
        ),
    ] = None
    workdir: Annotated[AbsolutePath | None, Meta(description="default: the image's own")] = None
    parameters: Annotated[
        Parameters,
        Meta(
            description="any JSON; reaches the code as RUNBUS_PARAMETERS. Mostly a mapping: `args` "
            "can name its keys"
        ),
    ] = None
    env: Annotated[
        tuple[EnvVariable, ...] | None, Meta(description="variables; merged by name")
    ] = None
    env_from: Annotated[tuple[EnvFrom, ...] | None, Meta(description="variables in bulk")] = None
    image_pull_policy: Annotated[ImagePullPolicy | None, Meta(description="when to pull")] = None
    image_pull_secret: Annotated[
        ObjectName | None, Meta(description="a Secret with the registry's credentials")
    ] = None
    replicas: Annotated[
        int | None,
        from_0_to(REPLICAS_MAX),
        Meta(description="workers (mpijob, dask), executors (spark), replicas (nuclio, serving)"),
    ] = None
    min_replicas: Annotated[
        int | None,
        from_0_to(REPLICAS_MAX),
        Meta(
            description="the least of a range: dask, spark, nuclio and serving scale by themselves"
        ),
    ] = None
    max_replicas: Annotated[
        int | None, from_1_to(REPLICAS_MAX), Meta(description="the most of a range")
    ] = None
    target_cpu: Annotated[
        int | None,
        from_1_to(TARGET_CPU_MAX),
        Meta(description="percent of the CPU request to scale by; nuclio and serving"),
    ] = None
    resources: Annotated[Resources | None, Meta(description="of the main container")] = None
    volumes: Annotated[tuple[Volume, ...] | None, Meta(description="merged by name")] = None
    auto_mount: Annotated[
        bool | None, Meta(description="false leaves the operator's auto-mount out")
    ] = None
    preemption_mode: Annotated[PreemptionMode | None, Meta(description="spot nodes or not")] = None
    priority_class: Annotated[ObjectName | None, Meta(description="a PriorityClass")] = None
    node_selector: Annotated[
        NodeSelector | None,
        Meta(description="labels of the node; an empty value cancels an inherited key"),
    ] = None
    node_name: Annotated[ObjectName | None, Meta(description="this very node")] = None
    tolerations: Annotated[tuple[Toleration, ...] | None, Meta(description="Kubernetes' own")] = (
        None
    )
    affinity: Annotated[Affinity | None, Meta(description="Kubernetes' own")] = None
    service_account: Annotated[ObjectName | None, Meta(description="as which it runs")] = None
    security_context: Annotated[SecurityContext | None, Meta(description="user and groups")] = None
    termination_grace_period: Annotated[
        Duration | None, Meta(description="from SIGTERM to SIGKILL; rounded up to seconds")
    ] = None
    state_thresholds: Annotated[
        StateThresholds | None, Meta(description="limits on states; merged by key")
    ] = None
    retry: Annotated[Retry | None, Meta(description="further attempts; merged by key")] = None
    queue: Annotated[Queue | None, Meta(description="where the run waits; merged by key")] = None
    ttl_after_finish: Annotated[
        DurationOrInfinite | None, Meta(description="how long finished objects stay")
    ] = None
    labels: Annotated[
        dict[LabelKey, LabelValue] | None, Meta(description="on objects; merged by key")
    ] = None
    annotations: Annotated[
        dict[AnnotationKey, str] | None, Meta(description="on objects; merged by key")
    ] = None
    log_level: Annotated[
        LogLevel | None, Meta(description="reaches the code as RUNBUS_LOG_LEVEL")
    ] = None
    roles: Annotated[
        Roles | None,
        Meta(description="distributed kinds: settings by role; merged by role and key"),
    ] = None
    mpi: Annotated[Mpi | None, Meta(description="kind mpijob; merged by key")] = None
    spark: Annotated[Spark | None, Meta(description="kind spark; merged by key")] = None
    dask: Annotated[Dask | None, Meta(description="kind dask; merged by key")] = None
    nuclio: Annotated[
        Nuclio | None, Meta(description="kinds nuclio and serving; merged by key")
    ] = None
