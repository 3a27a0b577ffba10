"""Dask: a cluster or a job with a cluster of its own, and who scales it."""

from __future__ import annotations

from typing import Any

import pytest

from support.documents import RUN_ID, objects_of

NAME = f"finetune-{RUN_ID}-1"


def spec_of(**settings: Any) -> Any:
    return objects_of("dask", **settings)[0]["spec"]


def worker_args(**settings: Any) -> list[str]:
    (container,) = spec_of(**settings)["worker"]["spec"]["containers"]
    args: list[str] = container["args"]
    return args


KINDS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["DaskCluster"]),
    ({"replicas": 2}, ["DaskCluster"]),
    ({"min_replicas": 0, "max_replicas": 16}, ["DaskCluster", "DaskAutoscaler"]),
    ({"min_replicas": 2, "max_replicas": 2}, ["DaskCluster"]),
    ({"dask": {"mode": "job"}, "replicas": 1}, ["DaskJob"]),
    (
        {"dask": {"mode": "job"}, "min_replicas": 1, "max_replicas": 2},
        ["DaskJob", "DaskAutoscaler"],
    ),
]


@pytest.mark.parametrize(("settings", "kinds"), KINDS)
def test_a_range_has_an_autoscaler_and_a_number_has_none(
    settings: dict[str, Any], kinds: list[str]
) -> None:
    objects = objects_of("dask", **settings)
    assert [each["kind"] for each in objects] == kinds
    assert {each["metadata"]["name"] for each in objects} == {NAME}


def test_the_autoscaler_is_the_clusters_and_has_the_range() -> None:
    _, autoscaler = objects_of("dask", min_replicas=0, max_replicas=16)
    assert autoscaler["spec"] == {"cluster": NAME, "minimum": 0, "maximum": 16}


WORKERS: list[tuple[dict[str, Any], int]] = [
    ({}, 1),
    ({"replicas": 3}, 3),
    ({"min_replicas": 2, "max_replicas": 5}, 2),
    ({"min_replicas": 0, "max_replicas": 5}, 0),
]


@pytest.mark.parametrize(("settings", "replicas"), WORKERS)
def test_workers_start_as_many_as_asked_or_the_least_of_the_range(
    settings: dict[str, Any], replicas: int
) -> None:
    assert spec_of(**settings)["worker"]["replicas"] == replicas


MEMORY = [
    ("8Gi", "8GiB"),
    ("1.5Gi", "1.5GiB"),
    ("512Mi", "512MiB"),
    ("2G", "2000000000"),
    ("1e9", "1000000000"),
    ("100m", "1"),
]


@pytest.mark.parametrize(("limit", "told"), MEMORY)
def test_workers_are_told_their_memory_limit_in_dasks_words(limit: str, told: str) -> None:
    args = worker_args(resources={"limits": {"memory": limit}})
    assert args[-2:] == ["--memory-limit", told]


def test_workers_are_told_their_threads_and_nothing_that_was_not_said() -> None:
    least = ["dask-worker", "--name", "$(DASK_WORKER_NAME)"]
    assert worker_args() == least
    assert worker_args(dask={"nthreads": 2}) == [*least, "--nthreads", "2"]


def test_the_limit_of_a_workers_role_is_what_its_workers_are_told() -> None:
    settings = {
        "resources": {"limits": {"memory": "8Gi"}},
        "roles": {"worker": {"resources": {"limits": {"memory": "4Gi"}}}},
    }
    assert worker_args(**settings)[-1] == "4GiB"


def test_scheduler_and_runner_inherit_no_resources() -> None:
    spec = spec_of(dask={"mode": "job"}, resources={"requests": {"cpu": "8"}})
    (scheduler,) = spec["cluster"]["spec"]["scheduler"]["spec"]["containers"]
    (runner,) = spec["job"]["spec"]["containers"]
    (worker,) = spec["cluster"]["spec"]["worker"]["spec"]["containers"]
    assert ("resources" in scheduler, "resources" in runner) == (False, False)
    assert worker["resources"] == {"requests": {"cpu": "8"}}


def test_an_idle_cluster_goes_after_its_time_in_whole_seconds() -> None:
    assert spec_of(dask={"idle_timeout": "1500ms"})["idleTimeout"] == 2
    assert "idleTimeout" not in spec_of()


def test_a_job_runs_the_program_once_in_a_runner_named_main() -> None:
    spec = spec_of(dask={"mode": "job", "idle_timeout": "1h"}, command="python", args=["x.py"])
    runner = spec["job"]["spec"]
    (container,) = runner["containers"]
    assert runner["restartPolicy"] == "Never"
    assert (container["name"], container["command"], container["args"]) == (
        "main",
        ["python"],
        ["x.py"],
    )
    # The operator would drop it inside a job.
    assert "idleTimeout" not in spec["cluster"]["spec"]


def test_pods_in_deployments_have_no_restart_policy_of_their_own() -> None:
    spec = spec_of()
    assert "restartPolicy" not in spec["scheduler"]["spec"]
    assert "restartPolicy" not in spec["worker"]["spec"]


def test_the_schedulers_service_finds_the_scheduler_of_this_cluster() -> None:
    selector = spec_of()["scheduler"]["service"]["selector"]
    assert selector == {"dask.org/cluster-name": NAME, "dask.org/component": "scheduler"}


def test_nothing_is_labelled_for_kueue_which_would_gate_each_pod_by_itself() -> None:
    for each in objects_of("dask", queue={"system": "kueue", "name": "team"}):
        assert "kueue.x-k8s.io/queue-name" not in each["metadata"]["labels"]


def test_label_keys_become_requirements_since_the_operators_definitions_would_prune_them() -> None:
    term = {
        "topologyKey": "zone",
        "labelSelector": {"matchLabels": {"a": "b"}},
        "matchLabelKeys": ["runbus.dev/role", "dask.org/component", "not-there"],
        "mismatchLabelKeys": ["runbus.dev/run-id"],
    }
    affinity = {
        "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]},
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": {"topologyKey": "z", "matchLabelKeys": ["team"]}}
            ]
        },
    }
    found = spec_of(affinity=affinity, labels={"team": "nlp"})["worker"]["spec"]["affinity"]
    expressions = [
        {"key": "runbus.dev/role", "operator": "In", "values": ["worker"]},
        {"key": "dask.org/component", "operator": "In", "values": ["worker"]},
        {"key": "runbus.dev/run-id", "operator": "NotIn", "values": [RUN_ID]},
    ]
    (required,) = found["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required == {
        "topologyKey": "zone",
        "labelSelector": {"matchLabels": {"a": "b"}, "matchExpressions": expressions},
    }
    (one,) = found["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    team = {"key": "team", "operator": "In", "values": ["nlp"]}
    assert one["podAffinityTerm"] == {
        "topologyKey": "z",
        "labelSelector": {"matchExpressions": [team]},
    }
