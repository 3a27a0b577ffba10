"""Where a pod may run, in Kubernetes' own shapes: tolerations and affinity.

Field names on the wire are Kubernetes' (camelCase). Only what Kubernetes knows stands here, so
that a slip of the pen is refused instead of being pruned by the API server. Source: the Pod API.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from runbus.contracts.grammars import LabelKey, LabelValue, TaintKey, Text

WEIGHT = Meta(extra={"least": 1, "most": 100}, extra_json_schema={"minimum": 1, "maximum": 100})


class TolerationOperator(StrEnum):
    """How a toleration's key and value meet a taint's."""

    EXISTS = "Exists"
    EQUAL = "Equal"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> TolerationOperator:
        return cls.UNKNOWN


class TaintEffect(StrEnum):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> TaintEffect:
        return cls.UNKNOWN


class Toleration(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Taints that the pod puts up with."""

    key: Annotated[
        TaintKey | None, Meta(description="the taint's key; left out with Exists: all")
    ] = None
    operator: Annotated[TolerationOperator | None, Meta(description="default Equal")] = None
    value: Annotated[LabelValue | None, Meta(description="with Equal only")] = None
    effect: Annotated[TaintEffect | None, Meta(description="left out: every effect")] = None
    toleration_seconds: Annotated[
        int | None, Meta(description="how long to stay; with NoExecute only")
    ] = None


class NodeOperator(StrEnum):
    """How a node's label is compared."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    LT = "Lt"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> NodeOperator:
        return cls.UNKNOWN


class NodeRequirement(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One comparison with a label or field of a node."""

    key: Annotated[Text, Meta(description="the label's key, or the field's path")]
    operator: Annotated[NodeOperator, Meta(description="how it is compared")]
    values: Annotated[
        tuple[str, ...] | None,
        Meta(description="for In and NotIn; Gt and Lt take one whole number as text"),
    ] = None


class NodeTerm(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Requirements that a node must meet together."""

    match_expressions: Annotated[
        tuple[NodeRequirement, ...] | None, Meta(description="on labels")
    ] = None
    match_fields: Annotated[
        tuple[NodeRequirement, ...] | None, Meta(description="on fields: metadata.name")
    ] = None


class NodeTerms(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Terms of which a node must meet at least one."""

    node_selector_terms: Annotated[tuple[NodeTerm, ...], Meta(description="at least one")]


class PreferredNodes(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Nodes that are preferred, not required."""

    weight: Annotated[int, WEIGHT, Meta(description="how much it counts")]
    preference: Annotated[NodeTerm, Meta(description="what a preferred node meets")]


class NodeAffinity(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Which nodes the pod is drawn to."""

    required_during_scheduling_ignored_during_execution: Annotated[
        NodeTerms | None, Meta(description="a node must meet one of the terms")
    ] = None
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[PreferredNodes, ...] | None, Meta(description="nodes rank by the sum of weights")
    ] = None


class LabelOperator(StrEnum):
    """How a label of an object is compared."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> LabelOperator:
        return cls.UNKNOWN


class LabelRequirement(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One comparison with a label of a pod or namespace."""

    key: Annotated[LabelKey, Meta(description="the label's key")]
    operator: Annotated[LabelOperator, Meta(description="how it is compared")]
    values: Annotated[tuple[LabelValue, ...] | None, Meta(description="for In and NotIn")] = None


class LabelSelector(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Objects by their labels; an empty selector means all."""

    match_labels: Annotated[
        dict[LabelKey, LabelValue] | None, Meta(description="labels that must be equal")
    ] = None
    match_expressions: Annotated[
        tuple[LabelRequirement, ...] | None, Meta(description="all must be met")
    ] = None


class PodTerm(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Other pods, and what "near" means."""

    topology_key: Annotated[LabelKey, Meta(description="nodes with an equal label are one place")]
    label_selector: Annotated[LabelSelector | None, Meta(description="which pods")] = None
    namespaces: Annotated[tuple[str, ...] | None, Meta(description="default: the pod's own")] = None
    namespace_selector: Annotated[LabelSelector | None, Meta(description="more namespaces")] = None
    match_label_keys: Annotated[
        tuple[LabelKey, ...] | None, Meta(description="own labels that must be equal")
    ] = None
    mismatch_label_keys: Annotated[
        tuple[LabelKey, ...] | None, Meta(description="own labels that must differ")
    ] = None


class PreferredPods(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A place near, or away from, other pods that is preferred."""

    weight: Annotated[int, WEIGHT, Meta(description="how much it counts")]
    pod_affinity_term: Annotated[PodTerm, Meta(description="the other pods")]


class PodAffinity(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Which other pods the pod is drawn to, or kept away from."""

    required_during_scheduling_ignored_during_execution: Annotated[
        tuple[PodTerm, ...] | None, Meta(description="all must be met")
    ] = None
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[PreferredPods, ...] | None, Meta(description="places rank by the sum of weights")
    ] = None


class Affinity(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What draws the pod to nodes and to other pods, and what keeps it away."""

    node_affinity: Annotated[NodeAffinity | None, Meta(description="to nodes")] = None
    pod_affinity: Annotated[PodAffinity | None, Meta(description="to pods")] = None
    pod_anti_affinity: Annotated[PodAffinity | None, Meta(description="away from pods")] = None


class SpotNodes(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How nodes that can be reclaimed are told from others: labels, and taints tolerated."""

    node_selector: Annotated[
        dict[LabelKey, LabelValue], Meta(description="a spot node has any of these labels")
    ] = {}
    tolerations: Annotated[
        tuple[Toleration, ...], Meta(description="of the taints that spot nodes have")
    ] = ()


class Platform(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the operator says of the cluster's nodes; a run keeps what it was accepted with."""

    preemptible_nodes: SpotNodes = SpotNodes()
    gpu_tolerations: Annotated[
        tuple[Toleration, ...], Meta(description="on each pod that asks for a GPU, in every mode")
    ] = ()
