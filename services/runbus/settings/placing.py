"""Where the pods of a run may go: preemption mode and GPU tolerations, worked into the document.

Computed from the fully merged settings each time objects are made, never stored back. What a user
asked of nodes stays: requirements are only added, into every term. Source: the page on settings,
section 6. It must not know levels, kinds or objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from runbus.contracts.document import PreemptionMode, Resources, RunDocument
from runbus.contracts.placement import (
    Affinity,
    NodeAffinity,
    NodeOperator,
    NodeRequirement,
    NodeTerm,
    NodeTerms,
    Platform,
    SpotNodes,
    Toleration,
    TolerationOperator,
)
from runbus.contracts.quantities import parse_quantity

Tolerations = tuple[Toleration, ...]


def placed(document: RunDocument, platform: Platform) -> RunDocument:
    """Return a document whose tolerations and affinity say what its preemption mode asks for.

    Args:
        document: an effective document, or one role's (`roles.document_of`).
        platform: what a spot node is, and what pods with a GPU tolerate.

    """
    spot = platform.preemptible_nodes
    tolerations, affinity = document.tolerations or (), document.affinity
    match document.preemption_mode:
        case PreemptionMode.ALLOW:
            tolerations = _with(tolerations, spot.tolerations)
        case PreemptionMode.CONSTRAIN:
            tolerations = _with(tolerations, spot.tolerations)
            affinity = _in_every_term(affinity, _any_label(spot))
        case PreemptionMode.PREVENT:
            tolerations = _without(tolerations, spot.tolerations)
            affinity = _in_every_term(affinity, _no_label(spot))
        case PreemptionMode.NONE | PreemptionMode.UNKNOWN | None:
            pass
    if platform.gpu_tolerations and asks_for_gpu(document.resources):
        tolerations = _with(tolerations, platform.gpu_tolerations)
    return replace(document, tolerations=tolerations or None, affinity=affinity)


def asks_for_gpu(resources: Resources | None) -> bool:
    """Say whether effective resources ask for a GPU, by whichever way."""
    if resources is None:
        return False
    if resources.gpus is not None and resources.gpus.count:
        return True
    limits = resources.limits or {}
    return any(is_gpu(name) and parse_quantity(str(limits[name])) > 0 for name in limits)


def is_gpu(name: str) -> bool:
    """Say whether a device is a GPU or a slice of one, by what vendors call them."""
    _, _, device = name.rpartition("/")
    return "/" in name and ("gpu" in device or device.startswith("mig-"))


def _with(own: Tolerations, added: Tolerations) -> Tolerations:
    """Return tolerations and those that are missing among them."""
    there = {_meaning(each) for each in own}
    return (*own, *(each for each in added if _meaning(each) not in there))


def _without(own: Tolerations, taken: Tolerations) -> Tolerations:
    """Return tolerations without those that say the same as others."""
    gone = {_meaning(each) for each in taken}
    return tuple(each for each in own if _meaning(each) not in gone)


def _meaning(toleration: Toleration) -> tuple[object, ...]:
    """Return what a toleration says, in whichever way it is written: Equal is the default."""
    operator = toleration.operator or TolerationOperator.EQUAL
    value, seconds = toleration.value or "", toleration.toleration_seconds
    return (toleration.key or "", operator, value, toleration.effect, seconds)


def _any_label(spot: SpotNodes) -> list[tuple[NodeRequirement, ...]]:
    """Return the ways to be a spot node: each label is one."""
    return [
        (NodeRequirement(key=key, operator=NodeOperator.IN, values=(value,)),)
        for key, value in spot.node_selector.items()
    ]


def _no_label(spot: SpotNodes) -> list[tuple[NodeRequirement, ...]]:
    """Return the one way to be no spot node: to have none of the labels."""
    every = tuple(
        NodeRequirement(key=key, operator=NodeOperator.NOT_IN, values=(value,))
        for key, value in spot.node_selector.items()
    )
    return [every] if every else []


def _in_every_term(
    affinity: Affinity | None, ways: Sequence[tuple[NodeRequirement, ...]]
) -> Affinity | None:
    """Return an affinity each of whose required terms is also met in one of the ways."""
    if not ways:
        return affinity
    affinity = affinity or Affinity()
    nodes = affinity.node_affinity or NodeAffinity()
    required = nodes.required_during_scheduling_ignored_during_execution
    own = required.node_selector_terms if required is not None else (NodeTerm(),)
    terms = tuple(_narrowed(own, ways, is_own=required is not None))
    nodes = replace(
        nodes,
        required_during_scheduling_ignored_during_execution=NodeTerms(node_selector_terms=terms),
    )
    return replace(affinity, node_affinity=nodes)


def _narrowed(
    terms: Iterable[NodeTerm], ways: Sequence[tuple[NodeRequirement, ...]], *, is_own: bool
) -> Iterable[NodeTerm]:
    for term in terms:
        expressions = term.match_expressions or ()
        if is_own and not expressions and not term.match_fields:
            yield term  # an empty term of the user's meets no node, and must go on doing so
            continue
        for way in ways:
            yield replace(term, match_expressions=(*expressions, *way))
