"""The shape of the operator's defaults file: which keys there are, and what each takes.

Source: the page on settings, at its end. It must not know how a file is read or judged.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from runbus.contracts.document import RunDocument, StateThresholds
from runbus.contracts.document_kinds import REPLICAS_MAX
from runbus.contracts.document_pod import GPUS_MAX
from runbus.contracts.grammars import (
    AbsolutePath,
    LabelKey,
    LabelValue,
    ObjectName,
    Project,
    Quantity,
    from_0_to,
    from_1_to,
)
from runbus.contracts.placement import SpotNodes, TaintEffect, Toleration, TolerationOperator
from runbus.contracts.states import Kind

RUNS_MAX = 10_000_000  # nothing runs more at once: a larger limit is a slip


class Limits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much may run at once; what is left out has no limit."""

    concurrent_runs: Annotated[
        int | None, from_0_to(RUNS_MAX), Meta(description="runs that are admitted and not final")
    ] = None
    gpus: Annotated[
        int | None, from_0_to(GPUS_MAX * RUNS_MAX), Meta(description="of all runs together")
    ] = None
    cpu: Annotated[Quantity | None, Meta(description="requested by all runs together")] = None
    memory: Annotated[Quantity | None, Meta(description="requested by all runs together")] = None


class Caps(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The most that a run may ask for; what is left out has no cap."""

    state_thresholds: Annotated[
        StateThresholds | None, Meta(description="the largest threshold of each state")
    ] = None
    replicas: Annotated[
        int | None, from_1_to(REPLICAS_MAX), Meta(description="the largest number of replicas")
    ] = None
    service_accounts: Annotated[
        tuple[ObjectName, ...] | None, Meta(description="the service accounts a run may name")
    ] = None
    host_paths: Annotated[
        tuple[AbsolutePath, ...] | None,
        Meta(description="folders of nodes that may be mounted, and what is in them"),
    ] = None
    kinds: Annotated[tuple[Kind, ...] | None, Meta(description="the kinds a run may be of")] = None
    priority_classes: Annotated[
        tuple[ObjectName, ...] | None, Meta(description="the priority classes a run may have")
    ] = None


class Preset(StrEnum):
    """Platforms whose spot nodes are known."""

    GKE = "gke"
    EKS = "eks"
    AKS = "aks"
    KARPENTER = "karpenter"
    IGUAZIO = "iguazio"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> Preset:
        return cls.UNKNOWN


class PreemptibleNodes(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a spot node is: as a platform has it, or in the operator's words, or both together."""

    preset: Annotated[Preset | None, Meta(description="the platform")] = None
    node_selector: Annotated[
        dict[LabelKey, LabelValue] | None, Meta(description="a spot node has any of these labels")
    ] = None
    tolerations: Annotated[
        tuple[Toleration, ...] | None, Meta(description="of the taints that spot nodes have")
    ] = None


class ProjectSettings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the operator sets for one project."""

    defaults: Annotated[RunDocument | None, Meta(description="any setting of a run")] = None
    caps: Annotated[Caps | None, Meta(description="besides those of the service")] = None
    limits: Annotated[Limits | None, Meta(description="of this project")] = None


class DefaultsFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The defaults file as an operator writes it."""

    defaults: Annotated[RunDocument | None, Meta(description="any setting of a run")] = None
    caps: Annotated[Caps | None, Meta(description="the most that a run may ask for")] = None
    allowed_priority_classes: Annotated[
        tuple[ObjectName, ...] | None, Meta(description="highest first; empty: the cluster's own")
    ] = None
    preemptible_nodes: Annotated[
        PreemptibleNodes | None, Meta(description="what a spot node is")
    ] = None
    gpu_tolerations: Annotated[
        tuple[Toleration, ...] | None, Meta(description="on each pod that asks for a GPU")
    ] = None
    namespaces: Annotated[
        dict[Project, Project] | None, Meta(description="project: namespace; default: its name")
    ] = None
    limits: Annotated[Limits | None, Meta(description="of all runs together")] = None
    projects: Annotated[
        dict[Project, ProjectSettings] | None, Meta(description="settings by project")
    ] = None


def _spot(key: str, value: str, *, is_tainted: bool) -> SpotNodes:
    taint = Toleration(
        key=key,
        operator=TolerationOperator.EQUAL,
        value=value,
        effect=TaintEffect.NO_SCHEDULE,
    )
    return SpotNodes(node_selector={key: value}, tolerations=(taint,) if is_tainted else ())


# Labels and taints as the platforms' documentation has them; a taint that some pools lack harms
# nobody. What an installation adds stands beside the preset.
_PRESETS: dict[Preset, SpotNodes] = {
    Preset.GKE: _spot("cloud.google.com/gke-spot", "true", is_tainted=True),
    Preset.EKS: _spot("eks.amazonaws.com/capacityType", "SPOT", is_tainted=False),
    Preset.AKS: _spot("kubernetes.azure.com/scalesetpriority", "spot", is_tainted=True),
    Preset.KARPENTER: _spot("karpenter.sh/capacity-type", "spot", is_tainted=False),
    Preset.IGUAZIO: _spot("app.iguazio.com/lifecycle", "preemptible", is_tainted=False),
}


def spot_nodes(given: PreemptibleNodes | None) -> SpotNodes:
    """Return what a spot node is; without a word of the operator, there are none."""
    if given is None:
        return SpotNodes()
    known = _PRESETS.get(given.preset or Preset.UNKNOWN, SpotNodes())
    own = [each for each in given.tolerations or () if each not in known.tolerations]
    return SpotNodes(
        node_selector={**known.node_selector, **(given.node_selector or {})},
        tolerations=(*known.tolerations, *own),
    )
