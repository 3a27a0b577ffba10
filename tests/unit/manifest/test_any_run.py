"""What holds for the objects of every kind, whatever a document says."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbus.contracts.document import RunDocument
from runbus.contracts.placement import Platform
from runbus.pod_launcher.manifest import render
from support.any_run import KINDS, PLATFORM, ROLES, any_run, is_dask_job
from support.kube_schema import schema_errors

RUN_ID = "zzzzzzzzzzz9"
ATTEMPT_MAX = 101
SYSTEM = ["RUN_ID", "PROJECT", "NAME", "ATTEMPT", "PARAMETERS", "LOG_LEVEL", "ROLE"]
DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
# What the operators put behind (Nuclio: before) the name, where it has to stay a DNS label.
LONGEST_MORE = {
    "Pod": "",
    "MPIJob": "-launcher-abcde",
    "SparkApplication": "-driver-svc",
    "DaskCluster": "-scheduler",
    "DaskJob": "-scheduler",
    "DaskAutoscaler": "",
    "NuclioFunction": "nuclio-",
}
AT_ANY_SPEED = settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow]
)

by_kind = pytest.mark.parametrize("kind", KINDS)


def objects_of(raw: dict[str, Any], *, attempt: int = 1) -> Any:
    return render(
        msgspec.convert(raw, RunDocument),
        run_id=RUN_ID,
        attempt=attempt,
        shard="2a",
        namespace="nlp",
        platform=msgspec.convert(PLATFORM, Platform),
        order=7,
    )


def pods_of(objects: Any) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Return each pod that comes out of objects: its role, its labels, and what has its fields."""
    for each in objects:
        spec = each["spec"]
        match each["kind"]:
            case "Pod":
                yield "main", each["metadata"]["labels"], spec
            case "MPIJob":
                for role, part in spec["mpiReplicaSpecs"].items():
                    template = part["template"]
                    yield role.lower(), template["metadata"]["labels"], template["spec"]
            case "SparkApplication":
                for role in ("driver", "executor"):
                    yield role, spec[role]["labels"], spec[role]
            case "DaskCluster" | "DaskJob":
                cluster = spec["cluster"]["spec"] if "cluster" in spec else spec
                parts = {"scheduler": cluster["scheduler"], "worker": cluster["worker"]}
                if "job" in spec:
                    parts["runner"] = spec["job"]
                for role, part in parts.items():
                    yield role, part["metadata"]["labels"], part["spec"]
            case "NuclioFunction":
                yield "main", each["metadata"]["labels"], spec
            case "NuclioProject" | "DaskAutoscaler":
                pass
            case _:
                raise AssertionError(each["kind"])


def containers_of(pod: dict[str, Any]) -> list[dict[str, Any]]:
    containers: list[dict[str, Any]] = pod.get("containers", [pod])
    return containers


@by_kind
@given(data=st.data())
@AT_ANY_SPEED
def test_an_api_server_takes_every_object_whole(kind: str, data: st.DataObject) -> None:
    for each in objects_of(data.draw(any_run(kind))):
        assert schema_errors(each) == []


@by_kind
@given(data=st.data())
@AT_ANY_SPEED
def test_every_pod_has_the_labels_by_which_it_is_found(kind: str, data: st.DataObject) -> None:
    raw = data.draw(any_run(kind))
    pods = list(pods_of(objects_of(raw, attempt=3)))
    for role, labels, _ in pods:
        assert (
            labels.items()
            >= {
                "runbus.dev/run-id": RUN_ID,
                "runbus.dev/project": raw["project"],
                "runbus.dev/kind": kind,
                "runbus.dev/role": role,
                "runbus.dev/attempt": "3",
                "runbus.dev/shard": "2a",
                "app.kubernetes.io/managed-by": "runbus",
            }.items()
        )
        assert labels.items() >= raw.get("labels", {}).items()
    expected = set(ROLES.get(kind, ("main",))) - (set() if is_dask_job(raw) else {"runner"})
    assert {role for role, _, _ in pods} == expected


@by_kind
@given(data=st.data())
@AT_ANY_SPEED
def test_every_pod_has_the_priority_class_of_its_run(kind: str, data: st.DataObject) -> None:
    raw = data.draw(any_run(kind))
    for role, _, pod in pods_of(objects_of(raw)):
        own = raw.get("roles", {}).get(role, {}).get("priority_class")
        assert pod.get("priorityClassName") == (own or raw.get("priority_class"))


@by_kind
@given(data=st.data())
@AT_ANY_SPEED
def test_system_variables_come_first_and_each_name_stands_once(
    kind: str, data: st.DataObject
) -> None:
    raw = data.draw(any_run(kind))
    for role, _, pod in pods_of(objects_of(raw)):
        own = {each["name"]: each for each in raw.get("env", [])}
        own |= {each["name"]: each for each in raw.get("roles", {}).get(role, {}).get("env", [])}
        system = [f"RUNBUS_{name}" for name in SYSTEM if name != "ROLE" or kind in ROLES]
        for container in containers_of(pod):
            names = [each["name"] for each in container["env"]]
            assert names == [*(each for each in system if each not in own), *own]
            values = {each["name"]: each.get("value") for each in container["env"]}
            assert values.get("RUNBUS_ROLE", role) == role
            assert all(values[name] == each.get("value") for name, each in own.items())


@by_kind
@given(data=st.data())
@AT_ANY_SPEED
def test_names_stay_within_what_operators_and_dns_allow(kind: str, data: st.DataObject) -> None:
    raw = data.draw(any_run(kind))
    raw["name"] = data.draw(st.sampled_from([raw["name"], "n" * 26]))
    for each in objects_of(raw, attempt=ATTEMPT_MAX):
        name = each["metadata"]["name"]
        if each["kind"] == "NuclioProject":
            assert name == raw["project"]
            continue
        longest = (LONGEST_MORE["NuclioFunction"] if kind in ("nuclio", "serving") else "") + name
        assert DNS_1035.fullmatch(longest)
        assert len(name) + len(LONGEST_MORE[each["kind"]]) <= 63


@by_kind
@given(data=st.data())
@AT_ANY_SPEED
def test_rendering_is_deterministic_plain_and_changes_nothing(
    kind: str, data: st.DataObject
) -> None:
    raw = data.draw(any_run(kind))
    before = copy.deepcopy(raw)
    first, second = objects_of(raw), objects_of(raw)
    assert first == second
    assert msgspec.json.decode(msgspec.json.encode(first)) == first
    assert raw == before


@by_kind
@given(data=st.data())
@AT_ANY_SPEED
def test_no_operator_tries_again_or_deletes_by_itself(kind: str, data: st.DataObject) -> None:
    for each in objects_of(data.draw(any_run(kind))):
        text = msgspec.json.encode(each).decode()
        assert "ttlSecondsAfterFinished" not in text
        assert "timeToLiveSeconds" not in text
        assert "activeDeadlineSeconds" not in text
        spec = each["spec"]
        assert spec.get("runPolicy", {}).get("backoffLimit", 0) == 0
        restarts = spec.get("restartPolicy")
        if isinstance(restarts, dict):
            assert restarts["onFailureRetries"] == 0
