"""Affinity to pods without `matchLabelKeys`, for operators whose definitions are older than it.

Kubernetes itself turns the key of a label that the pod has into one more requirement of the term's
selector when the pod is made. The same is done here, since the API server would prune the field
from such an operator's object, and the constraint would be gone in silence. It must not know kinds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from runbus.contracts.placement import (
    Affinity,
    LabelOperator,
    LabelRequirement,
    LabelSelector,
    PodAffinity,
    PodTerm,
)

Labels = Mapping[str, str]


def without_label_keys(affinity: Affinity | None, labels: Labels) -> Affinity | None:
    """Return an affinity that says the same of a pod with these labels, by selectors alone."""
    if affinity is None or (affinity.pod_affinity is None and affinity.pod_anti_affinity is None):
        return affinity
    return replace(
        affinity,
        pod_affinity=_by_selectors(affinity.pod_affinity, labels),
        pod_anti_affinity=_by_selectors(affinity.pod_anti_affinity, labels),
    )


def _by_selectors(affinity: PodAffinity | None, labels: Labels) -> PodAffinity | None:
    if affinity is None:
        return None
    required = affinity.required_during_scheduling_ignored_during_execution
    preferred = affinity.preferred_during_scheduling_ignored_during_execution
    return PodAffinity(
        required_during_scheduling_ignored_during_execution=None
        if required is None
        else tuple(_term(each, labels) for each in required),
        preferred_during_scheduling_ignored_during_execution=None
        if preferred is None
        else tuple(
            replace(each, pod_affinity_term=_term(each.pod_affinity_term, labels))
            for each in preferred
        ),
    )


def _term(term: PodTerm, labels: Labels) -> PodTerm:
    added = (
        *_requirements(term.match_label_keys or (), LabelOperator.IN, labels),
        *_requirements(term.mismatch_label_keys or (), LabelOperator.NOT_IN, labels),
    )
    selector = term.label_selector
    if added:
        selector = selector or LabelSelector()
        every = (*(selector.match_expressions or ()), *added)
        selector = replace(selector, match_expressions=every)
    return replace(term, label_selector=selector, match_label_keys=None, mismatch_label_keys=None)


def _requirements(
    keys: Sequence[str], operator: LabelOperator, labels: Labels
) -> list[LabelRequirement]:
    """Return a requirement for each key; one that the pod does not have counts for nothing."""
    return [
        LabelRequirement(key=key, operator=operator, values=(labels[key],))
        for key in keys
        if key in labels
    ]
