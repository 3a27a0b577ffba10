"""Rules of tolerations and affinity that their types cannot say, as the API server has them.

What is let through here and refused there would end an attempt; the other way round a user could
not ask for what Kubernetes can do. It must not know the rest of a document.
Source: Kubernetes' validation of pods.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from runbus.contracts.document_findings import Findings
from runbus.contracts.names import label_key_problem, label_value_problem
from runbus.contracts.placement import (
    LabelRequirement,
    NodeRequirement,
    NodeTerm,
    NodeTerms,
    PodTerm,
    Toleration,
)
from runbus.contracts.problems import Problem
from runbus.contracts.violations import ViolationCode, pointer

Given = Mapping[Any, Any]
Cleaned = dict[str, Any]

_WHOLE = re.compile(r"-?[0-9]{1,18}")


def _toleration(given: Given, cleaned: Cleaned, path: str, findings: Findings) -> None:
    operator = cleaned.get("operator") if given.get("operator") is not None else "Equal"
    if not cleaned.get("key", given.get("key")) and operator == "Equal":
        hint = "give the taint's key; a toleration without a key needs the operator Exists"
        findings.add(f"{path}/key", ViolationCode.REQUIRED, hint=hint)
    if operator == "Exists" and cleaned.get("value"):
        hint = "take the value out: Exists looks at the key alone"
        findings.add(f"{path}/value", ViolationCode.CONFLICT, cleaned["value"], hint=hint)
    if cleaned.get("key") == "":
        del cleaned["key"]  # as if it were left out
    seconds = cleaned.get("tolerationSeconds")
    if seconds is not None and given.get("effect") != "NoExecute":
        hint = "it counts with the effect NoExecute only: take it out, or name that effect"
        findings.add(f"{path}/tolerationSeconds", ViolationCode.CONFLICT, seconds, hint=hint)


def _requirement(given: Given, cleaned: Cleaned, path: str, findings: Findings) -> None:
    """Check that the values go with the operator, of nodes and of labels alike."""
    given_values = given.get("values")
    if given_values is not None and not isinstance(given_values, list | tuple):
        return
    count = len(given_values) if given_values is not None else 0
    operator, place = cleaned.get("operator"), f"{path}/values"
    if operator in ("In", "NotIn") and count == 0:
        findings.add(place, ViolationCode.REQUIRED, hint=f"{operator} needs at least one value")
    elif operator in ("Exists", "DoesNotExist") and count:
        hint = f"take the values out: {operator} looks at the key alone"
        findings.add(place, ViolationCode.CONFLICT, given_values, hint=hint)
    elif operator in ("Gt", "Lt") and not _is_one_number(cleaned.get("values"), count):
        hint = f'{operator} compares with one number: ["4"]'
        allowed, code = "one whole number, as text", ViolationCode.INVALID_VALUE
        findings.add(place, code, given_values, allowed=allowed, hint=hint)


def _is_one_number(values: Sequence[str] | None, count: int) -> bool:
    return count == 1 and (not values or _WHOLE.fullmatch(values[0]) is not None)


def _term(given: Given, _: Cleaned, path: str, findings: Findings) -> None:
    for place, each in _mappings(given.get("matchExpressions"), f"{path}/matchExpressions"):
        _add_problem(each.get("key"), label_key_problem, f"{place}/key", findings)
        values = each.get("values")
        if each.get("operator") in ("In", "NotIn") and isinstance(values, list | tuple):
            for position, value in enumerate(values):
                _add_problem(value, label_value_problem, f"{place}/values/{position}", findings)
    for place, each in _mappings(given.get("matchFields"), f"{path}/matchFields"):
        _field(each, place, findings)


def _mappings(given: object, path: str) -> list[tuple[str, Given]]:
    if not isinstance(given, list | tuple):
        return []
    return [(f"{path}/{at}", each) for at, each in enumerate(given) if isinstance(each, dict)]


def _add_problem(
    text: object, problem_of_text: Callable[[str], Problem | None], path: str, findings: Findings
) -> None:
    # Empty text has been refused before, and so has what is no text.
    problem = problem_of_text(text) if isinstance(text, str) and text.strip() else None
    if problem is not None:
        findings.add(path, problem.code, text, allowed=problem.allowed, hint=problem.hint)


def _field(given: Given, path: str, findings: Findings) -> None:
    """Refuse what fields cannot do: only the node's name is one, and it has one value."""
    key = given.get("key")
    if isinstance(key, str) and key != "metadata.name":
        hint = "labels are compared with matchExpressions"
        code = ViolationCode.INVALID_VALUE
        findings.add(f"{path}/key", code, key, allowed=["metadata.name"], hint=hint)
    operator, values = given.get("operator"), given.get("values")
    one = isinstance(values, list | tuple) and len(values) == 1
    if operator in ("Exists", "DoesNotExist", "Gt", "Lt") or (values and not one):
        allowed = "operator In or NotIn, and one value"
        hint = "for several nodes write several terms"
        findings.add(path, ViolationCode.INVALID_VALUE, allowed=allowed, hint=hint)


def _terms(given: Given, _: Cleaned, path: str, findings: Findings) -> None:
    terms = given.get("nodeSelectorTerms")
    if isinstance(terms, list | tuple) and not terms:
        hint = "give at least one term, or leave the requirement out"
        findings.add(f"{path}/nodeSelectorTerms", ViolationCode.EMPTY, terms, hint=hint)


def _pod_term(given: Given, cleaned: Cleaned, path: str, findings: Findings) -> None:
    for key in ("matchLabelKeys", "mismatchLabelKeys"):
        if cleaned.get(key) and given.get("labelSelector") is None:
            hint = "it counts with a labelSelector only"
            findings.add(f"{path}/{key}", ViolationCode.CONFLICT, cleaned[key], hint=hint)
    both = set(cleaned.get("matchLabelKeys", ())) & set(cleaned.get("mismatchLabelKeys", ()))
    for label in sorted(both):
        hint = "a label cannot be equal and differ: keep it in one of the lists"
        place = pointer(f"{path}/mismatchLabelKeys", cleaned["mismatchLabelKeys"].index(label))
        findings.add(place, ViolationCode.CONFLICT, label, hint=hint)


PLACEMENT_RULES: dict[type[Struct], Callable[[Given, Cleaned, str, Findings], None]] = {
    Toleration: _toleration,
    NodeRequirement: _requirement,
    LabelRequirement: _requirement,
    NodeTerm: _term,
    NodeTerms: _terms,
    PodTerm: _pod_term,
}
