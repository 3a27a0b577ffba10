"""Evidence: what was seen of an attempt when it ended or was aborted. Outlives its pods."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

from runbus.contracts.moments import Moment


class EvidenceCause(StrEnum):
    """When it was collected: one attempt may leave one of each."""

    ABORTING = "aborting"  # before runbus deletes the pod
    DELETING = "deleting"  # as somebody else deletes it: it may be gone before it shows its end
    ENDED = "ended"


class ContainerEvidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One container's last status and the end of its log."""

    name: str
    image: str = ""
    state: Annotated[dict[str, Any], Meta(description="as Kubernetes gives it")] = {}
    restart_count: int = 0
    log_tail: Annotated[str | None, Meta(description="null: could not be read")] = None
    log_truncated: bool = False
    log_problem: Annotated[str, Meta(description="why there is no log")] = ""


class PodEvidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One pod as last seen."""

    name: str
    uid: str = ""
    role: str = "main"
    node: str = ""
    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[dict[str, Any], ...] = ()
    containers: tuple[ContainerEvidence, ...] = ()


class KubeEventEvidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One Kubernetes event about a pod of the attempt."""

    type: str = ""
    reason: str = ""
    message: str = ""
    count: int = 1
    last_seen: Moment | None = None


class NodeEvidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The node the attempt ran on."""

    name: str
    ready: str = ""
    labels: dict[str, str] = {}
    message: str = ""


class RunEvidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything kept of one attempt, at most 512 KiB: logs are cut first."""

    run_id: str
    project: str
    attempt: int
    cause: Annotated[str, Meta(description="when it was collected: aborting, deleting or ended")]
    collected_at: Moment
    pods: tuple[PodEvidence, ...] = ()
    kube_events: Annotated[
        tuple[KubeEventEvidence, ...], Meta(description="the last 20, newest last")
    ] = ()
    node: NodeEvidence | None = None
    problems: Annotated[tuple[str, ...], Meta(description="what could not be read")] = ()
