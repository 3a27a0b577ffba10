"""The worked examples: from what a user wrote to the very objects, and strictly valid."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runbus.contracts.document import RunDocument
from runbus.contracts.placement import Platform
from runbus.pod_launcher.manifest import render
from runbus.settings.defaults import Defaults, defaults_of
from runbus.settings.model import Resolved
from runbus.settings.resolve import resolve
from support.documents import a_job
from support.full_documents import a_full_job
from support.golden import Example, all_differences, differences, example
from support.kube_schema import schema_errors

EXAMPLES = [
    "01-job-cpu-minimal",
    "02-job-gpu-spot-constrain-aks-pvc",
    "04-mpijob-gpu-spot-pvc",
    "06-spark-3-executors-priority",
    "08-dask-cluster-1-to-4",
    "10-nuclio-http-8-workers-gpu",
    "11-nuclio-v3io-stream-serving",
]
CONTEXT = {"run_id": "0" * 12, "attempt": 1}


def _platform(context: dict[str, Any]) -> Platform:
    nodes = {
        key: context[key] for key in ("preemptible_nodes", "gpu_tolerations") if key in context
    }
    return msgspec.convert(nodes, Platform)


def _rendered(raw: object, context: dict[str, Any]) -> Any:
    """Return the objects of a document that the settings have judged, with the defaults in it."""
    keys = ("preemptible_nodes", "gpu_tolerations")
    defaults = defaults_of({key: context[key] for key in keys if key in context})
    assert isinstance(defaults, Defaults), defaults
    verdict = resolve(raw, project=None, defaults=defaults, default_user="")
    assert isinstance(verdict, Resolved), verdict
    return _objects(verdict.document, context, verdict.platform)


def _objects(document: RunDocument, context: dict[str, Any], platform: Platform) -> Any:
    return render(
        document,
        run_id=str(context["run_id"]),
        attempt=context["attempt"],
        shard="00",
        namespace=document.project or "",
        platform=platform,
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_worked_example_gives_its_objects(name: str) -> None:
    given: Example = example(name)
    objects = _rendered(given.run, given.context)
    assert all_differences(given.expected, objects) == []
    assert [error for each in objects for error in schema_errors(each)] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_a_worked_example_says_is_enough_without_any_default(name: str) -> None:
    given: Example = example(name)
    document = msgspec.convert(given.run, RunDocument)
    objects = _objects(document, given.context, _platform(given.context))
    assert all_differences(given.expected, objects) == []
    assert [error for each in objects for error in schema_errors(each)] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_expected_in_a_worked_example_is_itself_strictly_valid(name: str) -> None:
    given: Example = example(name)
    assert [error for each in given.expected for error in schema_errors(each)] == []


def test_a_job_with_every_setting_gives_an_object_that_an_api_server_takes_whole() -> None:
    (pod,) = _rendered(a_full_job(), CONTEXT)
    assert schema_errors(pod) == []


def test_the_strict_check_finds_a_field_that_would_be_pruned() -> None:
    (pod,) = _rendered(a_job(), CONTEXT)
    pod["spec"]["containers"][0]["imagePullPolice"] = "Always"
    (error,) = schema_errors(pod)
    assert "imagePullPolice" in error


@pytest.mark.parametrize("name", EXAMPLES[2:])
def test_the_strict_check_looks_into_custom_objects(name: str) -> None:
    objects = example(name).expected
    objects[-1]["spec"]["tolerance"] = 1
    (error,) = schema_errors(objects[-1])
    assert "tolerance" in error


CHANGES = [
    ({"spec": {"nodeSelector": {"a": "b"}}}, {"spec": {}}),
    ({"spec": {}}, {"spec": {"tolerations": []}}),
    ({"driver": {}}, {"driver": {"template": {"spec": {"containers": [{"command": ["x"]}]}}}}),
    ({"a": {"args": ["1", "2"]}}, {"a": {"args": ["2", "1"]}}),
    ({"env": [{"name": "A"}]}, {"env": [{"name": "A"}, {"name": "RUNBUS_NAME"}]}),
    ({"env": [{"name": "A"}, {"name": "B"}]}, {"env": [{"name": "B"}, {"name": "A"}]}),
    ({"a": 1}, {"a": 2}),
    ({"a": [1]}, {"a": [1, 2]}),
]


@pytest.mark.parametrize(("expected", "actual"), CHANGES)
def test_the_comparison_by_meaning_finds_what_counts(expected: Any, actual: Any) -> None:
    assert len(differences(expected, actual)) == 1
