"""The sections of a run document that belong to one kind: mpi, spark, dask, nuclio.

Which kind may have which section, and what its values demand of each other, is checked elsewhere.
It must not know the document around them. Source: the page on settings, section 1.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from runbus.contracts.grammars import (
    AbsolutePath,
    Duration,
    HostName,
    StreamPath,
    Text,
    VolumeName,
    from_1_to,
)

REPLICAS_MAX = 10_000
SLOTS_MAX = 1024
THREADS_MAX = 1024
WORKERS_MAX = 10_000


class CleanPodPolicy(StrEnum):
    """Which pods of an MPI job go when it ends."""

    ALL = "All"
    RUNNING = "Running"
    NONE = "None"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> CleanPodPolicy:
        return cls.UNKNOWN


class Mpi(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What kind mpijob has of its own."""

    slots_per_worker: Annotated[
        int | None, from_1_to(SLOTS_MAX), Meta(description="processes on each worker; default 1")
    ] = None
    args: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="options of mpirun, before the program; `-x NAME` hands a variable on to"
            " the processes on the workers: ssh takes none along"
        ),
    ] = None
    clean_pod_policy: Annotated[
        CleanPodPolicy | None, Meta(description="which pods go at the end; default Running")
    ] = None


class SparkType(StrEnum):
    """The language of a Spark program."""

    PYTHON = "Python"
    SCALA = "Scala"
    JAVA = "Java"
    R = "R"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> SparkType:
        return cls.UNKNOWN


class Spark(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What kind spark has of its own."""

    version: Annotated[Text | None, Meta(description="Spark's version, like 3.5.6; required")] = (
        None
    )
    type: Annotated[SparkType | None, Meta(description="default Python")] = None
    main_class: Annotated[Text | None, Meta(description="required for Scala and Java")] = None
    conf: Annotated[dict[str, str] | None, Meta(description="Spark's own settings")] = None


class DaskMode(StrEnum):
    """Whether a run is a cluster for others to use, or a program with a cluster of its own."""

    CLUSTER = "cluster"
    JOB = "job"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> DaskMode:
        return cls.UNKNOWN


class Dask(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What kind dask has of its own."""

    mode: Annotated[DaskMode | None, Meta(description="default cluster")] = None
    nthreads: Annotated[
        int | None, from_1_to(THREADS_MAX), Meta(description="threads of each worker")
    ] = None
    idle_timeout: Annotated[
        Duration | None, Meta(description="mode cluster: without work it goes after this time")
    ] = None


class NuclioHttp(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The HTTP trigger of a function."""

    workers: Annotated[
        int | None, from_1_to(WORKERS_MAX), Meta(description="in each replica; default 1")
    ] = None
    worker_timeout: Annotated[
        Duration | None, Meta(description="how long a request waits for a worker; default 10s")
    ] = None
    gateway_timeout: Annotated[
        Duration | None, Meta(description="of the ingress; longer than worker_timeout")
    ] = None
    host: Annotated[HostName | None, Meta(description="the ingress' host; none: no ingress")] = None
    paths: Annotated[
        tuple[AbsolutePath, ...] | None,
        Meta(description="the ingress' paths, with a host only; default /"),
    ] = None


class SeekTo(StrEnum):
    """Where a stream's reader begins that has no position yet."""

    LATEST = "latest"
    EARLIEST = "earliest"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> SeekTo:
        return cls.UNKNOWN


class NuclioStream(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A trigger from a v3io stream."""

    path: Annotated[StreamPath, Meta(description="v3io:///container/path/of/the/stream")]
    name: Annotated[
        VolumeName | None, Meta(description="the trigger's, not http; default stream")
    ] = None
    group: Annotated[Text | None, Meta(description="the consumer group; default serving")] = None
    seek_to: Annotated[SeekTo | None, Meta(description="default latest")] = None
    shards: Annotated[
        int | None, from_1_to(REPLICAS_MAX), Meta(description="of the stream; fixes the replicas")
    ] = None
    max_workers: Annotated[
        int | None, from_1_to(WORKERS_MAX), Meta(description="in each replica; default 1")
    ] = None


class Nuclio(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What kinds nuclio and serving have of their own."""

    handler: Annotated[Text | None, Meta(description="like main:handler; required")] = None
    runtime: Annotated[Text | None, Meta(description="like python:3.11; required")] = None
    readiness_timeout: Annotated[
        Duration | None, Meta(description="how long a deployed function may take to be ready")
    ] = None
    http: Annotated[NuclioHttp | None, Meta(description="the HTTP trigger")] = None
    v3io_stream: Annotated[NuclioStream | None, Meta(description="a trigger from a stream")] = None
