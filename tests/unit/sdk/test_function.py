"""The function object: MLRun's calls, and the run documents that they come to."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from runbus.contracts.states import Kind
from runbus.sdk import Function, RefusedSettingError, import_function, new_function

TOLERATION = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}


def a_function(kind: str = "job", **settings: Any) -> Function:
    """Return a function with what every run needs."""
    return new_function("train", "nlp", kind=kind, image="x:1", **settings)


def settings_of(fn: Function) -> dict[str, Any]:
    """Return what a function has beyond what every run needs."""
    return {
        key: value
        for key, value in fn.to_dict().items()
        if key not in {"project", "name", "kind", "image"}
    }


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"), ("", ""), (3, "3"), (0, "0"), (1.5, "1.5"), (True, "True"), (False, "False"),
        (Path("/data"), "/data"), (Colour.RED, "red"),
    ],
)  # fmt: skip
def test_values_of_variables_become_text(value: object, text: str) -> None:
    fn = a_function().set_env("A", value)
    assert settings_of(fn) == {"env": [{"name": "A", "value": text}]}


@pytest.mark.parametrize("value", [[1], {"a": 1}, object(), b"x"])
def test_a_value_that_nobody_can_write_as_text_is_refused(value: object) -> None:
    with pytest.raises(RefusedSettingError, match=r"/env/A/value.*json.dumps"):
        a_function().set_env("A", value)


def test_a_repeated_variable_is_replaced_in_its_place() -> None:
    fn = a_function().set_envs({"A": 1, "B": 2}).set_env("A", 3)
    assert fn.to_dict()["env"] == [{"name": "A", "value": "3"}, {"name": "B", "value": "2"}]
    assert (fn.get_env("A"), fn.get_env("C", "none")) == ("3", "none")
    assert (fn.is_env_exists("B"), fn.is_env_exists("C")) == (True, False)


def test_a_variable_may_come_from_a_secret_a_config_map_or_a_field() -> None:
    fn = a_function()
    fn.set_env_from_secret("TOKEN", "nlp-secrets")
    fn.set_env_from_secret("HF", "nlp-secrets", "hf-token")
    fn.set_env("CFG", value_from={"configMapKeyRef": {"name": "cfg", "key": "a"}})
    fn.set_env("POD", value_from={"fieldRef": {"fieldPath": "metadata.name"}})
    fn.set_env("OWN", value_from={"secret": {"name": "s", "key": "k"}})
    assert fn.to_dict()["env"] == [
        {"name": "TOKEN", "secret": {"name": "nlp-secrets", "key": "TOKEN"}},
        {"name": "HF", "secret": {"name": "nlp-secrets", "key": "hf-token"}},
        {"name": "CFG", "config_map": {"name": "cfg", "key": "a"}},
        {"name": "POD", "field": "metadata.name"},
        {"name": "OWN", "secret": {"name": "s", "key": "k"}},
    ]


@pytest.mark.parametrize(
    "arguments",
    [{}, {"value": "1", "value_from": {"secret": {"name": "a", "key": "b"}}},
     {"value_from": {"a": 1, "b": 2}}, {"value_from": {"resourceFieldRef": {}}}],
)  # fmt: skip
def test_a_variable_has_exactly_one_source(arguments: dict[str, Any]) -> None:
    with pytest.raises(RefusedSettingError, match="/env/A"):
        a_function().set_env("A", **arguments)


@pytest.mark.parametrize("arguments", [{}, {"env_vars": {}, "file_path": "x"}])
def test_variables_come_from_a_mapping_or_a_file_not_both(arguments: dict[str, Any]) -> None:
    with pytest.raises(RefusedSettingError, match="one of the two"):
        a_function().set_envs(**arguments)


def test_requests_and_limits_are_kept_in_kubernetes_quantities() -> None:
    fn = a_function().with_requests(mem="1Gi", cpu=2).with_limits(mem="2Gi", cpu="3", gpus=1)
    assert settings_of(fn) == {
        "resources": {
            "requests": {"cpu": "2", "memory": "1Gi"},
            "limits": {"cpu": "3", "memory": "2Gi"},
            "gpus": {"type": "nvidia.com/gpu", "count": 1},
        }
    }


def test_what_is_not_named_stays_unless_replacing_is_asked_for() -> None:
    fn = a_function().with_limits(mem="2Gi", cpu=1).with_limits(gpus=2, gpu_type="amd.com/gpu")
    assert fn.to_dict()["resources"]["limits"] == {"memory": "2Gi", "cpu": "1"}
    fn.with_limits(cpu=4, patch=False)
    assert fn.to_dict()["resources"] == {"limits": {"cpu": "4"}}


def test_no_gpus_can_be_asked_for() -> None:
    fn = a_function().with_limits(gpus=0)
    assert fn.to_dict()["resources"]["gpus"]["count"] == 0


@pytest.mark.parametrize("method", ["with_requests", "with_limits"])
def test_asking_for_no_resource_at_all_is_refused(method: str) -> None:
    with pytest.raises(RefusedSettingError, match="give mem"):
        getattr(a_function(), method)()


def test_a_wrong_setting_is_refused_where_it_is_given_and_changes_nothing() -> None:
    fn = a_function().with_limits(mem="1Gi")
    with pytest.raises(RefusedSettingError) as found:
        fn.with_limits(mem="1 G")
    assert [each.path for each in found.value.violations] == ["/resources/limits/memory"]
    assert "write 1G" in str(found.value)
    assert fn.to_dict()["resources"] == {"limits": {"memory": "1Gi"}}


def test_placement_takes_kubernetes_own_shapes() -> None:
    fn = a_function().with_preemption_mode("constrain").with_priority_class("high")
    fn.with_node_selection(
        node_name="node-1", node_selector={"zone": ""}, tolerations=TOLERATION, affinity={}
    )
    assert settings_of(fn) == {
        "preemption_mode": "constrain",
        "priority_class": "high",
        "node_name": "node-1",
        "node_selector": {"zone": ""},
        "tolerations": [TOLERATION],
        "affinity": {},
    }
    fn.with_priority_class().with_preemption_mode(None)
    assert {"priority_class", "preemption_mode"} & settings_of(fn).keys() == set()


class V1Toleration(SimpleNamespace):
    """As the objects of Kubernetes' Python clients are."""

    attribute_map = {  # noqa: RUF012 - theirs is written so
        "key": "key", "toleration_seconds": "tolerationSeconds", "effect": "effect",
        "operator": "operator",
    }  # fmt: skip


def test_objects_of_kubernetes_clients_are_taken_as_well() -> None:
    given = V1Toleration(key="a", toleration_seconds=60, effect="NoExecute", operator="Exists")
    fn = a_function().with_node_selection(tolerations=[given])
    assert fn.to_dict()["tolerations"] == [
        {"key": "a", "tolerationSeconds": 60, "effect": "NoExecute", "operator": "Exists"}
    ]


def test_a_snake_case_key_in_kubernetes_shapes_is_refused_with_the_right_one() -> None:
    with pytest.raises(RefusedSettingError, match="did you mean tolerationSeconds"):
        a_function().with_node_selection(tolerations={"key": "a", "toleration_seconds": 60})


def test_thresholds_are_added_or_replaced() -> None:
    fn = a_function().set_state_thresholds({"running": "6h", "pending_scheduled": "1h"})
    fn.set_state_thresholds({"executing": "7h"})
    assert fn.to_dict()["state_thresholds"] == {"running": "7h", "pending_scheduled": "1h"}
    fn.set_state_thresholds({"image_pull_backoff": "-1"}, patch=False)
    assert fn.to_dict()["state_thresholds"] == {"image_pull_backoff": "-1"}


def test_retries_labels_and_annotations_add_up() -> None:
    fn = a_function().with_retry(2, on=["infrastructure"]).with_retry(backoff=30)
    fn.with_labels({"team": "nlp"}).with_labels({"n": 1}).with_annotations({"a/b": True})
    assert settings_of(fn) == {
        "retry": {"limit": 2, "on": ["infrastructure"], "backoff": "30s"},
        "labels": {"team": "nlp", "n": "1"},
        "annotations": {"a/b": "True"},
    }


def test_image_pulling_and_security_have_their_calls() -> None:
    fn = a_function().set_image_pull_configuration("Always", "regcred")
    fn.with_security_context(run_as_user=1000)
    assert settings_of(fn) == {
        "image_pull_policy": "Always",
        "image_pull_secret": "regcred",
        "security_context": {"run_as_user": 1000},
    }


def test_attributes_of_spec_are_settings_under_the_documents_names_and_mlruns() -> None:
    fn = a_function("dask")
    fn.spec.min_replicas, fn.spec.max_replicas = 1, 4
    fn.spec.priority_class_name = "high"
    fn.spec.disable_auto_mount = True
    fn.metadata.labels = {"team": "nlp"}
    assert settings_of(fn) == {
        "min_replicas": 1,
        "max_replicas": 4,
        "priority_class": "high",
        "auto_mount": False,
        "labels": {"team": "nlp"},
    }
    fn.spec.min_replicas = None
    assert (fn.spec.min_replicas, fn.spec.max_replicas, fn.spec.image) == (None, 4, "x:1")
    assert "max_replicas=4" in repr(fn.spec)


@pytest.mark.parametrize("name", ["replica", "tolerences"])
def test_an_attribute_that_does_not_exist_is_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(AttributeError, match="did you mean"):
        setattr(a_function().spec, name, 1)
    with pytest.raises(AttributeError, match="did you mean"):
        getattr(a_function().spec, name)


def test_spec_shows_copies_so_that_no_change_goes_unchecked() -> None:
    fn = a_function().with_labels({"a": "1"})
    found = fn.spec.resources or {}
    labels = dict(fn.metadata.labels or {})
    labels["b"] = "2"
    assert (found, fn.metadata.labels) == ({}, {"a": "1"})


@pytest.mark.parametrize(
    ("kind", "role"),
    [("mpijob", "launcher"), ("mpijob", "worker"), ("spark", "driver"), ("spark", "executor"),
     ("dask", "scheduler"), ("dask", "worker"), ("dask", "runner")],
)  # fmt: skip
def test_a_role_of_a_distributed_run_has_settings_of_its_own(kind: str, role: str) -> None:
    fn = a_function(kind)
    fn.role(role).set_env("A", 1).with_requests(cpu=1)
    fn.role(role).with_preemption_mode("allow")
    assert settings_of(fn) == {
        "roles": {
            role: {
                "env": [{"name": "A", "value": "1"}],
                "resources": {"requests": {"cpu": "1"}},
                "preemption_mode": "allow",
            }
        }
    }


@pytest.mark.parametrize(("kind", "role"), [("job", "worker"), ("spark", "worker")])
def test_a_role_that_the_kind_does_not_have_is_refused(kind: str, role: str) -> None:
    with pytest.raises(RefusedSettingError, match=f"/roles/{role}"):
        a_function(kind).role(role)


def test_mlruns_names_for_roles_come_to_the_same() -> None:
    spark = a_function("spark")
    spark.with_driver_requests(cpu=1).with_driver_limits(cpu=2)
    spark.with_executor_requests(cpu=1).with_executor_limits(cpu=2, gpus=1)
    spark.with_driver_preemption_mode("prevent").with_executor_preemption_mode("allow")
    spark.with_driver_node_selection(node_selector={"a": "b"})
    spark.with_executor_node_selection(tolerations=TOLERATION)
    assert spark.to_dict()["roles"] == {
        "driver": {
            "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}},
            "preemption_mode": "prevent",
            "node_selector": {"a": "b"},
        },
        "executor": {
            "resources": {
                "requests": {"cpu": "1"},
                "limits": {"cpu": "2"},
                "gpus": {"type": "nvidia.com/gpu", "count": 1},
            },
            "preemption_mode": "allow",
            "tolerations": [TOLERATION],
        },
    }
    dask = a_function("dask").with_scheduler_requests(cpu=1).with_scheduler_limits(mem="1Gi")
    dask.with_worker_requests(cpu=2).with_worker_limits(mem="2Gi")
    assert dask.to_dict()["roles"] == {
        "scheduler": {"resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}},
        "worker": {"resources": {"requests": {"cpu": "2"}, "limits": {"memory": "2Gi"}}},
    }


@pytest.mark.parametrize("method", ["with_requests", "with_limits"])
def test_spark_is_told_that_its_resources_go_by_role(method: str) -> None:
    with pytest.raises(RefusedSettingError, match="with_driver_"):
        getattr(a_function("spark"), method)(cpu=1)


@pytest.mark.parametrize("kind", ["nuclio", "serving", "remote"])
def test_functions_that_stay_have_triggers(kind: str) -> None:
    fn = a_function(kind).with_http(
        workers=8, worker_timeout=30, gateway_timeout="90s", paths=["/"]
    )
    fn.spec.nuclio = {**(fn.spec.nuclio or {}), "handler": "main:handler", "runtime": "python:3.11"}
    assert fn.to_dict()["nuclio"] == {
        "http": {
            "workers": 8, "worker_timeout": "30s", "gateway_timeout": "90s", "paths": ["/"],
        },
        "handler": "main:handler",
        "runtime": "python:3.11",
    }  # fmt: skip


def test_a_function_that_stays_can_read_a_stream() -> None:
    fn = a_function("nuclio").add_v3io_stream_trigger(
        "v3io:///projects/iot/events", shards=3, max_workers=4
    )
    assert fn.to_dict()["nuclio"]["v3io_stream"] == {
        "path": "v3io:///projects/iot/events", "name": "stream", "group": "serving",
        "seek_to": "earliest", "shards": 3, "max_workers": 4,
    }  # fmt: skip


def test_a_trigger_of_a_run_that_ends_is_refused() -> None:
    with pytest.raises(RefusedSettingError, match="kind nuclio or serving"):
        a_function("job").with_http()


def test_a_function_of_the_catalogue_is_named_by_its_address() -> None:
    fn = import_function("hub://finetune:1.2", project="nlp")
    assert fn.to_dict() == {"project": "nlp", "name": "finetune", "function": "hub://finetune:1.2"}


@pytest.mark.parametrize("kind", [each.value for each in Kind if each is not Kind.UNKNOWN])
def test_every_kind_can_be_made(kind: str) -> None:
    assert a_function(kind).kind == kind


def test_a_kind_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(RefusedSettingError, match="mpijob"):
        a_function("mpi-job")


def test_changes_for_one_run_are_merged_and_leave_the_function_alone() -> None:
    fn = a_function(parameters={"n": 1, "m": None}, labels={"a": "1", "b": "2"}).set_env("A", 1)
    before = fn.to_dict()
    document = fn.document(
        env={"A": 2, "B": True}, parameters={"n": 5}, labels={"b": "3"}, workdir=None, args=["x"],
        resources={},
    )  # fmt: skip
    assert document == {
        **before,
        "env": [{"name": "A", "value": "2"}, {"name": "B", "value": "True"}],
        "parameters": {"n": 5, "m": None},
        "labels": {"a": "1", "b": "3"},
        "args": ["x"],
        "resources": {},
    }
    assert fn.to_dict() == before
    assert fn.copy(name="other").to_dict() == {**before, "name": "other"}


def test_a_wrong_change_for_one_run_is_refused() -> None:
    with pytest.raises(RefusedSettingError, match="/replcas"):
        a_function().document(replcas=3)


def test_a_function_can_be_written_as_json_and_read_again() -> None:
    fn = a_function(args=["-m", 3]).set_env("A", 1)
    assert Function.from_dict(msgspec.json.decode(fn.to_json())).to_dict() == fn.to_dict()
    assert fn.check() == ()
    assert repr(fn) == "<Function nlp/train kind=job image=x:1>"


def test_any_setting_can_be_given_in_the_documents_own_shape() -> None:
    fn = a_function(queue={"name": "batch"}).with_setting("log_level", "debug")
    assert settings_of(fn) == {"queue": {"name": "batch"}, "log_level": "debug"}


def test_a_function_of_yours_can_be_applied() -> None:
    fn = a_function().apply(lambda each: each.set_env("A", 1))
    assert fn.get_env("A") == "1"
