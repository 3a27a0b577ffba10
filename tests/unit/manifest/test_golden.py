"""The worked examples: from what a user wrote to the very pod, and strictly valid.

Compared by meaning: what is expected must be there with that value, more may be there, but not in
what decides where and what runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runbus.pod_launcher.manifest import render
from runbus.settings.defaults import Defaults
from runbus.settings.model import Resolved
from runbus.settings.resolve import resolve
from support.documents import a_job, data_folder, read_yaml
from support.full_documents import a_full_job
from support.kube_schema import schema_errors

# What stands here must be equal; elsewhere more may stand than is expected.
EXACT = frozenset(
    {"nodeSelector", "tolerations", "affinity", "priorityClassName", "volumes", "volumeMounts"}
    | {"resources", "command", "args", "replicas"}
)
ORDERED = frozenset({"args", "command"})

MINIMAL = "01-job-cpu-minimal"
SPOT = "02-job-gpu-spot-constrain-aks-pvc"


def _resolved(raw: object) -> Resolved:
    verdict = resolve(raw, project=None, defaults=Defaults(), default_user="")
    assert isinstance(verdict, Resolved), verdict
    return verdict


def _rendered(raw: object, context: dict[str, Any]) -> Any:
    verdict = _resolved(raw)
    (pod,) = render(
        verdict.document,
        run_id=str(context["run_id"]),
        attempt=context["attempt"],
        shard="00",
        namespace=verdict.namespace,
        platform=verdict.platform,
    )
    return pod


def differences(expected: Any, actual: Any, key: str = "", path: str = "$") -> list[str]:
    """Return where an object does not say what is expected of it."""
    if key in EXACT:
        same = expected == actual if key in ORDERED else _sorted(expected) == _sorted(actual)
        return [] if same else [f"{path}: {actual!r}, not {expected!r}"]
    if isinstance(expected, dict) and isinstance(actual, dict):
        found = [f"{path}.{name}: missing" for name in expected if name not in actual]
        found += [
            f"{path}.{name}: {actual[name]!r}" for name in EXACT & (set(actual) - {*expected})
        ]
        for name in expected.keys() & actual.keys():
            found += differences(expected[name], actual[name], name, f"{path}.{name}")
        return found
    if key == "env":
        own = [each for each in actual if not each["name"].startswith("RUNBUS_")]
        return [] if own == expected else [f"{path}: {own!r}, not {expected!r}"]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = enumerate(zip(expected, actual, strict=True))
        return [
            found
            for position, (one, other) in pairs
            for found in differences(one, other, "", f"{path}[{position}]")
        ]
    return [] if expected == actual else [f"{path}: {actual!r}, not {expected!r}"]


def _sorted(value: Any) -> Any:
    if isinstance(value, list):
        return sorted((_sorted(each) for each in value), key=repr)
    if isinstance(value, dict):
        return {key: _sorted(inner) for key, inner in sorted(value.items())}
    return value


def _example(name: str) -> tuple[Any, Any, Any]:
    folder: Path = data_folder("golden") / name
    run, context, expected = (
        read_yaml(folder / f"{part}.yaml") for part in ("run", "context", "expected")
    )
    return run, context, expected


def test_the_least_that_a_user_can_ask_for_gives_the_pod_of_the_worked_example() -> None:
    run, context, expected = _example(MINIMAL)
    pod = _rendered(run, context)
    assert (differences(expected, pod), schema_errors(pod)) == ([], [])


def test_the_example_with_a_gpu_gives_its_pod_but_for_the_spot_nodes() -> None:
    """Spot nodes come with a later release: the mode, its affinity and its toleration are out."""
    run, context, expected = _example(SPOT)
    del expected["spec"]["affinity"], expected["spec"]["tolerations"]
    pod = _rendered({**run, "preemption_mode": "none"}, context)
    assert (differences(expected, pod), schema_errors(pod)) == ([], [])


def test_a_document_with_every_setting_gives_an_object_that_an_api_server_takes_whole() -> None:
    assert schema_errors(_rendered(a_full_job(), {"run_id": "0" * 12, "attempt": 1})) == []


def test_the_strict_check_finds_a_field_that_would_be_pruned() -> None:
    pod = _rendered(a_job(), {"run_id": "0" * 12, "attempt": 1})
    pod["spec"]["containers"][0]["imagePullPolice"] = "Always"
    (error,) = schema_errors(pod)
    assert "imagePullPolice" in error


CHANGES = [
    ({"spec": {"nodeSelector": {"a": "b"}}}, {"spec": {}}),
    ({"spec": {}}, {"spec": {"tolerations": []}}),
    ({"a": {"args": ["1", "2"]}}, {"a": {"args": ["2", "1"]}}),
    ({"a": 1}, {"a": 2}),
    ({"a": [1]}, {"a": [1, 2]}),
]


@pytest.mark.parametrize(("expected", "actual"), CHANGES)
def test_the_comparison_by_meaning_finds_what_counts(expected: Any, actual: Any) -> None:
    assert len(differences(expected, actual)) == 1
