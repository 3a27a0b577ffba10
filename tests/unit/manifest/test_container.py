"""The main container: which program runs, with which variables and resources."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.documents import RUN_ID, a_pod_of

SYSTEM = [
    "RUNBUS_RUN_ID",
    "RUNBUS_PROJECT",
    "RUNBUS_NAME",
    "RUNBUS_ATTEMPT",
    "RUNBUS_PARAMETERS",
    "RUNBUS_LOG_LEVEL",
]


def container_of(**settings: Any) -> Any:
    (container,) = a_pod_of(**settings)["spec"]["containers"]
    return container


def variables_of(**settings: Any) -> dict[str, Any]:
    return {each["name"]: each for each in container_of(**settings)["env"]}


def test_the_container_is_named_main_and_asks_for_nothing_that_was_not_given() -> None:
    container = container_of()
    del container["env"]
    assert container == {"name": "main", "image": "registry.example.com/nlp/finetune:3"}


COMMANDS = [("python -m x", ["python -m x"]), (["python", "-m"], ["python", "-m"])]


@pytest.mark.parametrize(("given", "command"), COMMANDS)
def test_a_command_that_is_one_text_is_one_element_and_never_split(
    given: object, command: list[str]
) -> None:
    assert container_of(command=given)["command"] == command


@pytest.mark.parametrize("given", [[], None])
def test_without_a_command_the_image_has_its_own(given: object) -> None:
    assert "command" not in container_of(command=given)


def test_arguments_are_filled_in_from_parameters() -> None:
    args = ["--epochs={epochs}", "{config}", "{{epochs}}", "{other}"]
    container = container_of(args=args, parameters={"epochs": 3, "config": {"lr": 0.1}})
    assert container["args"] == ["--epochs=3", '{"lr":0.1}', "{epochs}", "{other}"]


def test_workdir_and_pull_policy_are_passed_on() -> None:
    container = container_of(workdir="/app", image_pull_policy="Always")
    assert (container["workingDir"], container["imagePullPolicy"]) == ("/app", "Always")


def test_system_variables_come_first_and_the_users_last_in_their_order() -> None:
    env = [{"name": "B", "value": "2"}, {"name": "A", "value": ""}]
    assert list(variables_of(env=env)) == [*SYSTEM, "B", "A"]


def test_system_variables_say_which_run_it_is() -> None:
    env = variables_of(parameters={"epochs": 3}, log_level="debug")
    assert {name: env[name]["value"] for name in SYSTEM} == {
        "RUNBUS_RUN_ID": RUN_ID,
        "RUNBUS_PROJECT": "nlp",
        "RUNBUS_NAME": "finetune",
        "RUNBUS_ATTEMPT": "1",
        "RUNBUS_PARAMETERS": '{"epochs":3}',
        "RUNBUS_LOG_LEVEL": "debug",
    }


def test_without_parameters_and_level_there_are_no_parameters_and_level_info() -> None:
    env = variables_of()
    found = (env["RUNBUS_PARAMETERS"]["value"], env["RUNBUS_LOG_LEVEL"]["value"])
    assert found == ("{}", "info")


def test_a_users_value_replaces_a_system_variable_and_stands_alone() -> None:
    env = container_of(env=[{"name": "RUNBUS_LOG_LEVEL", "value": "loud"}])["env"]
    named = [each for each in env if each["name"] == "RUNBUS_LOG_LEVEL"]
    assert named == [{"name": "RUNBUS_LOG_LEVEL", "value": "loud"}]


def test_a_name_that_is_given_twice_keeps_its_place_and_has_the_last_value() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "A", "value": "3"}]
    own = container_of(env=env)["env"][len(SYSTEM) :]
    assert own == [{"name": "A", "value": "3"}, {"name": "B", "value": "2"}]


def test_parameters_reach_the_code_whatever_kubernetes_expands() -> None:
    parameters = {"price": "$(RUNBUS_RUN_ID) and $$5", "text": 'ä"\n'}
    value = variables_of(parameters=parameters)["RUNBUS_PARAMETERS"]["value"]
    assert ("$" in value, json.loads(value)) == (False, parameters)


SOURCES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"value": "3"}, {"value": "3"}),
    ({"value": ""}, {"value": ""}),
    (
        {"secret": {"name": "s", "key": "k"}},
        {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ),
    (
        {"config_map": {"name": "c", "key": "k"}},
        {"valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
    ),
    ({"field": "metadata.name"}, {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
]


@pytest.mark.parametrize(("source", "expected"), SOURCES)
def test_each_source_of_a_variable_has_its_shape(
    source: dict[str, Any], expected: dict[str, Any]
) -> None:
    env = variables_of(env=[{"name": "V", **source}])
    assert env["V"] == {"name": "V", **expected}


def test_variables_in_bulk_come_from_secrets_and_config_maps() -> None:
    found = container_of(env_from=[{"secret": "s"}, {"config_map": "c"}])["envFrom"]
    assert found == [{"secretRef": {"name": "s"}}, {"configMapRef": {"name": "c"}}]


RESOURCES: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    ({}, None),
    ({"gpus": {"count": 0}}, None),
    (
        {"requests": {"cpu": "4", "memory": "16Gi"}, "limits": {"memory": "32Gi"}},
        {"requests": {"cpu": "4", "memory": "16Gi"}, "limits": {"memory": "32Gi"}},
    ),
    ({"requests": {"cpu": 4}}, {"requests": {"cpu": "4"}}),
    (
        {"requests": {"cpu": "1"}, "gpus": {"type": "nvidia.com/gpu", "count": 2}},
        {
            "requests": {"cpu": "1", "nvidia.com/gpu": "2"},
            "limits": {"nvidia.com/gpu": "2"},
        },
    ),
    (
        {"gpus": {"count": 1}},
        {"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "1"}},
    ),
    (
        {"limits": {"amd.com/gpu": "1"}},
        {"requests": {"amd.com/gpu": "1"}, "limits": {"amd.com/gpu": "1"}},
    ),
    (
        {"requests": {"hugepages-2Mi": "64Mi"}},
        {"requests": {"hugepages-2Mi": "64Mi"}, "limits": {"hugepages-2Mi": "64Mi"}},
    ),
]


@pytest.mark.parametrize(("given", "expected"), RESOURCES)
def test_resources_are_passed_on_and_devices_stand_in_both(
    given: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    assert container_of(resources=given).get("resources") == expected
