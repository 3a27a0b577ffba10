"""A SparkApplication: Spark's own words for programs, memory, cores and scaling."""

from __future__ import annotations

from typing import Any

import pytest

from support.documents import objects_of

VERSION: dict[str, Any] = {"version": "3.5.6"}


def spec_of(**settings: Any) -> Any:
    (application,) = objects_of("spark", **{"spark": VERSION, "command": "x.py", **settings})
    return application["spec"]


def driver_of(resources: dict[str, Any], **settings: Any) -> Any:
    driver = spec_of(roles={"driver": {"resources": resources}}, **settings)["driver"]
    for each in ("env", "labels"):
        del driver[each]
    return driver


MEMORY = [
    ("2Gi", "2g"),
    ("6Gi", "6g"),
    ("512Mi", "512m"),
    ("1536Mi", "1536m"),
    ("1.5G", "1431m"),
    ("1e9", "954m"),
    ("1000000000", "954m"),
    ("1k", "1m"),
    ("0.5Ti", "512g"),
]


@pytest.mark.parametrize(("quantity", "memory"), MEMORY)
def test_memory_is_written_in_sparks_units_rounded_up(quantity: str, memory: str) -> None:
    assert driver_of({"requests": {"memory": quantity}}) == {"memory": memory}


LIMITS: list[tuple[dict[str, Any], str, str]] = [
    # There is room for the overhead: the heap is what was asked for.
    ({"requests": {"memory": "6Gi"}, "limits": {"memory": "10Gi"}}, "Python", "6g"),
    # 40 % of overhead on 4388 MiB are 6143 MiB; 10 % on 5585 MiB are 6143 MiB.
    ({"requests": {"memory": "6Gi"}, "limits": {"memory": "6Gi"}}, "Python", "4388m"),
    ({"requests": {"memory": "6Gi"}, "limits": {"memory": "6Gi"}}, "Scala", "5585m"),
    ({"limits": {"memory": "1Gi"}}, "Scala", "640m"),
    ({"limits": {"memory": "100Mi"}}, "Python", "1m"),
]


@pytest.mark.parametrize(("resources", "language", "memory"), LIMITS)
def test_a_memory_limit_bounds_the_container_and_the_heap_gives_way(
    resources: dict[str, Any], language: str, memory: str
) -> None:
    driver = driver_of(resources, spark={**VERSION, "type": language, "main_class": "M"})
    assert driver == {"memory": memory, "memoryLimit": resources["limits"]["memory"]}


def test_where_the_conf_says_the_overhead_the_heap_is_what_was_asked_for() -> None:
    conf = {"spark.driver.memoryOverhead": "100m"}
    resources = {"requests": {"memory": "6Gi"}, "limits": {"memory": "6Gi"}}
    assert driver_of(resources, spark={**VERSION, "conf": conf})["memory"] == "6g"


CORES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"requests": {"cpu": "2"}}, {"cores": 2, "coreRequest": "2"}),
    ({"requests": {"cpu": "500m"}}, {"cores": 1, "coreRequest": "500m"}),
    (
        {"requests": {"cpu": "1500m"}, "limits": {"cpu": "3"}},
        {"cores": 2, "coreRequest": "1500m", "coreLimit": "3"},
    ),
    ({"limits": {"cpu": "2"}}, {"cores": 2, "coreLimit": "2"}),
    ({}, {}),
]


@pytest.mark.parametrize(("resources", "fields"), CORES)
def test_cores_are_the_task_slots_of_the_cpu_asked_for(
    resources: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert driver_of(resources) == fields


def test_a_gpu_has_a_field_and_what_has_none_goes_into_the_pod_template() -> None:
    found = driver_of(
        {
            "requests": {"ephemeral-storage": "1Gi"},
            "limits": {"example.com/fpga": 1},
            "gpus": {"type": "nvidia.com/gpu", "count": 2},
        },
        workdir="/app",
    )
    container = {
        "name": "spark-kubernetes-driver",
        "workingDir": "/app",
        "resources": {
            "requests": {"ephemeral-storage": "1Gi", "example.com/fpga": "1"},
            "limits": {"example.com/fpga": "1"},
        },
    }
    assert found == {
        "gpu": {"name": "nvidia.com/gpu", "quantity": 2},
        "template": {"spec": {"containers": [container]}},
    }


def test_without_a_gpu_another_device_takes_its_field() -> None:
    found = driver_of({"limits": {"example.com/fpga": 1}})
    assert found == {"gpu": {"name": "example.com/fpga", "quantity": 1}}


def test_this_very_node_stands_in_the_pod_template() -> None:
    assert spec_of(node_name="n")["executor"]["template"] == {"spec": {"nodeName": "n"}}


def test_resources_of_the_run_itself_are_nobodys() -> None:
    spec = spec_of(resources={"requests": {"cpu": "8"}})
    assert "coreRequest" not in spec["driver"]
    assert "coreRequest" not in spec["executor"]


SCALING: list[tuple[dict[str, Any], int, dict[str, Any] | None]] = [
    ({}, 1, None),
    ({"replicas": 3}, 3, None),
    (
        {"min_replicas": 2, "max_replicas": 5},
        2,
        {"enabled": True, "initialExecutors": 2, "minExecutors": 2, "maxExecutors": 5},
    ),
    (
        {"min_replicas": 0, "max_replicas": 5},
        1,
        {"enabled": True, "initialExecutors": 0, "minExecutors": 0, "maxExecutors": 5},
    ),
]


@pytest.mark.parametrize(("settings", "instances", "allocation"), SCALING)
def test_replicas_are_executors_and_a_range_is_dynamic_allocation(
    settings: dict[str, Any], instances: int, allocation: dict[str, Any] | None
) -> None:
    spec = spec_of(**settings)
    found = (spec["executor"]["instances"], spec.get("dynamicAllocation"))
    assert found == (instances, allocation)


def test_the_program_is_the_first_element_of_the_command_and_the_rest_are_arguments() -> None:
    spec = spec_of(command=["local:///a.py", "-v"], args=["{n}"], parameters={"n": 1})
    assert (spec["mainApplicationFile"], spec["arguments"]) == ("local:///a.py", ["-v", "1"])


def test_only_python_has_a_version_of_python() -> None:
    assert spec_of()["pythonVersion"] == "3"
    spec = spec_of(spark={**VERSION, "type": "Java", "main_class": "M"})
    assert ("pythonVersion" in spec, spec["type"], spec["mainClass"]) == (False, "Java", "M")


def test_a_submission_is_tried_again_and_a_failed_application_is_not() -> None:
    policy = spec_of()["restartPolicy"]
    assert (policy["onFailureRetries"], policy["onSubmissionFailureRetries"]) == (0, 3)


def test_failed_executors_stay_so_that_their_reason_can_be_read() -> None:
    assert spec_of()["executor"]["deleteOnTermination"] is False


ROLES = [("driver", "driver"), ("executor", "executor")]


@pytest.mark.parametrize(("field", "role"), ROLES)
def test_the_settings_of_a_pod_have_sparks_fields(field: str, role: str) -> None:
    spec = spec_of(
        service_account="runner",
        security_context={"run_as_user": 1},
        termination_grace_period="25s",
        node_selector={"a": "b"},
        tolerations=[{"operator": "Exists"}],
        volumes=[{"name": "v", "mount": "/v", "pvc": "p"}],
        env_from=[{"secret": "s"}],
        annotations={"a": "b"},
    )
    found = spec[field]
    assert found["env"][-1] == {"name": "RUNBUS_ROLE", "value": role}
    del found["env"], found["labels"]
    for own in ("instances", "deleteOnTermination"):
        found.pop(own, None)
    assert found == {
        "serviceAccount": "runner",
        "podSecurityContext": {"runAsUser": 1},
        "terminationGracePeriodSeconds": 25,
        "nodeSelector": {"a": "b"},
        "tolerations": [{"operator": "Exists"}],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        "envFrom": [{"secretRef": {"name": "s"}}],
        "annotations": {"a": "b"},
    }
    assert spec["volumes"] == [{"name": "v", "persistentVolumeClaim": {"claimName": "p"}}]


def test_under_kueue_it_is_created_suspended() -> None:
    assert spec_of(queue={"system": "kueue", "name": "team"})["suspend"] is True
    assert "suspend" not in spec_of()
