"""A Nuclio function: what its dashboard would fill in, its triggers, and updating in place."""

from __future__ import annotations

from typing import Any

import pytest

from runbus.pod_launcher.manifest.nuclio import FUNCTION_NAME_CHARACTERS_MAX, function_name
from support.documents import RUN_ID, objects_of

HANDLER: dict[str, Any] = {"handler": "main:handler", "runtime": "python:3.11"}
STREAM = {"path": "v3io:///projects/iot/events"}


def function_of(*, nuclio: dict[str, Any] | None = None, **settings: Any) -> Any:
    _, function = objects_of("nuclio", nuclio={**HANDLER, **(nuclio or {})}, **settings)
    return function


def spec_of(**settings: Any) -> Any:
    return function_of(**settings)["spec"]


def test_the_project_comes_first_and_belongs_to_no_run() -> None:
    project, function = objects_of("serving", nuclio=HANDLER)
    assert project == {
        "apiVersion": "nuclio.io/v1beta1",
        "kind": "NuclioProject",
        "metadata": {
            "name": "nlp",
            "namespace": "nlp",
            "labels": {"app.kubernetes.io/managed-by": "runbus"},
        },
        "spec": {},
    }
    assert function["kind"] == "NuclioFunction"


def test_a_function_is_named_by_project_and_name_and_says_whose_run_wrote_it() -> None:
    metadata = function_of(order=41)["metadata"]
    labels = metadata["labels"]
    assert metadata["name"] == labels["nuclio.io/function-name"] == "nlp-finetune"
    assert labels["nuclio.io/project-name"] == "nlp"
    assert labels["runbus.dev/run-id"] == RUN_ID
    assert metadata["annotations"] == {"runbus.dev/order": "41"}


def test_a_long_project_is_cut_and_told_apart_from_others_cut_alike() -> None:
    longest, name = "p" * 62, "n" * 26
    one, other = function_name(f"{longest}a", name), function_name(f"{longest}b", name)
    assert one != other
    assert len(one) == len(other) == FUNCTION_NAME_CHARACTERS_MAX
    assert one.endswith(f"-{name}")


def test_the_controller_is_told_to_act_and_never_to_build() -> None:
    function = function_of()
    assert function["status"] == {"state": "waitingForResourceConfiguration"}
    assert function["spec"]["build"] == {"mode": "neverBuild", "codeEntryType": "image"}


SCALING: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"replicas": 2}, {"replicas": 2}),
    (
        {"min_replicas": 1, "max_replicas": 4, "target_cpu": 60},
        {"minReplicas": 1, "maxReplicas": 4, "targetCPU": 60},
    ),
    (
        {"min_replicas": 2, "max_replicas": 2, "target_cpu": 60},
        {"minReplicas": 2, "maxReplicas": 2},
    ),
    (
        {"nuclio": {"v3io_stream": {**STREAM, "shards": 3}}, "min_replicas": 1, "max_replicas": 4},
        {"minReplicas": 3, "maxReplicas": 3},
    ),
]


@pytest.mark.parametrize(("settings", "expected"), SCALING)
def test_replicas_are_a_number_a_range_or_the_shards_of_the_stream(
    settings: dict[str, Any], expected: dict[str, Any]
) -> None:
    spec = spec_of(**settings)
    keys = ("replicas", "minReplicas", "maxReplicas", "targetCPU", "scaleToZero")
    assert {key: spec[key] for key in keys if key in spec} == expected


def test_a_function_that_may_go_to_zero_says_when() -> None:
    (resource,) = spec_of(min_replicas=0, max_replicas=2)["scaleToZero"]["scaleResources"]
    assert resource["windowSize"] == "10m"


def test_there_is_always_an_http_trigger_with_a_worker() -> None:
    trigger = {
        "class": "",
        "kind": "http",
        "name": "http",
        "numWorkers": 1,
        "workerAvailabilityTimeoutMilliseconds": 10000,
        "attributes": {},
    }
    assert spec_of()["triggers"] == {"http": trigger}


def test_a_host_makes_an_ingress_and_the_gateway_waits_in_whole_seconds() -> None:
    http = {"host": "h.example.com", "worker_timeout": "1500ms", "gateway_timeout": "89500ms"}
    trigger = spec_of(nuclio={"http": http})["triggers"]["http"]
    assert trigger["attributes"]["ingresses"] == {"0": {"host": "h.example.com", "paths": ["/"]}}
    assert trigger["workerAvailabilityTimeoutMilliseconds"] == 1500
    assert set(trigger["annotations"].values()) == {"90"}


def test_a_stream_is_read_with_the_access_key_of_the_function() -> None:
    triggers = spec_of(nuclio={"v3io_stream": STREAM})["triggers"]
    stream = triggers["stream"]
    assert (stream["kind"], stream["password"], stream["numWorkers"]) == (
        "v3ioStream",
        "$generate",
        1,
    )
    attributes = stream["attributes"]
    assert (attributes["containerName"], attributes["streamPath"]) == ("projects", "iot/events")
    assert (attributes["consumerGroup"], attributes["seekTo"]) == ("serving", "latest")


def test_a_volume_stands_in_a_pair_with_its_mount() -> None:
    (pair,) = spec_of(volumes=[{"name": "v", "mount": "/v", "pvc": "p"}])["volumes"]
    assert pair == {
        "volume": {"name": "v", "persistentVolumeClaim": {"claimName": "p"}},
        "volumeMount": {"name": "v", "mountPath": "/v"},
    }


def test_the_pull_secret_is_one_text_and_placement_is_written_out() -> None:
    platform = {"preemptible_nodes": {"tolerations": [{"key": "spot", "operator": "Exists"}]}}
    spec = spec_of(image_pull_secret="regcred", preemption_mode="allow", platform=platform)
    assert spec["imagePullSecrets"] == "regcred"
    assert spec["preemptionMode"] == "allow"
    assert spec["tolerations"] == [{"key": "spot", "operator": "Exists"}]


def test_a_readiness_timeout_is_in_whole_seconds() -> None:
    assert spec_of(nuclio={"readiness_timeout": "10m"})["readinessTimeoutSeconds"] == 600
