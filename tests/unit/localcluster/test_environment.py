"""A container's environment and arguments, as a kubelet builds them."""

from fractions import Fraction
from typing import Any

import msgspec
import pytest

from runbus.localcluster.rules.shapes import Container, Pod
from runbus.localcluster.runner.environment import (
    ConfigProblem,
    Facts,
    Sources,
    argument_vector,
    build_environment,
    expand,
    needed_sources,
)

POD = msgspec.convert(
    {
        "metadata": {
            "name": "p",
            "namespace": "n",
            "uid": "u",
            "labels": {"a/b": "c"},
            "annotations": {"x": "y"},
        },
        "spec": {"nodeName": "node", "serviceAccountName": "sa"},
    },
    Pod,
)
SOURCES = Sources({"s": {"k": "secret"}, "none": None}, {"m": {"K": "v"}, "none": None})
FACTS = Facts("10.0.0.2", "10.0.0.1", {"cpu": Fraction(4), "memory": Fraction(2**30)})


def build(env: Any = (), **fields: Any) -> dict[str, str]:
    container = msgspec.convert({"name": "main", "env": list(env), **fields}, Container)
    return build_environment(POD, container, SOURCES, FACTS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(NOPE)", "$(NOPE)"),
        ("$A ${A}", "$A ${A}"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("$$", "$"),
    ],
)
def test_references_are_expanded(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expected


def field(path: str) -> Any:
    return {"name": "V", "valueFrom": {"fieldRef": {"fieldPath": path}}}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "p"),
        ("metadata.namespace", "n"),
        ("metadata.uid", "u"),
        ("metadata.labels['a/b']", "c"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['x']", "y"),
        ("spec.nodeName", "node"),
        ("spec.serviceAccountName", "sa"),
        ("status.podIP", "10.0.0.2"),
        ("status.hostIP", "10.0.0.1"),
    ],
)
def test_fields_are_read(path: str, expected: str) -> None:
    assert build([field(path)]) == {"V": expected}


def key(kind: str, name: str, wanted: str, **more: Any) -> Any:
    return {"name": "V", "valueFrom": {kind: {"name": name, "key": wanted, **more}}}


def test_keys_of_secrets_and_config_maps_are_read() -> None:
    assert build([key("secretKeyRef", "s", "k")]) == {"V": "secret"}
    assert build([key("configMapKeyRef", "m", "K")]) == {"V": "v"}


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (key("secretKeyRef", "none", "k"), 'secret "none" not found'),
        (key("secretKeyRef", "s", "z"), "couldn't find key z in Secret n/s"),
        (key("configMapKeyRef", "none", "k"), 'configmap "none" not found'),
        (key("configMapKeyRef", "m", "z"), "couldn't find key z in ConfigMap n/m"),
    ],
)
def test_what_is_missing_is_a_problem_unless_optional(env: Any, message: str) -> None:
    with pytest.raises(ConfigProblem) as problem:
        build([env])
    assert str(problem.value) == message
    next(iter(env["valueFrom"].values()))["optional"] = True
    assert build([env]) == {}


def test_env_from_takes_all_keys_and_env_wins() -> None:
    sources = [{"configMapRef": {"name": "m"}, "prefix": "P_"}, {"secretRef": {"name": "s"}}]
    env = [{"name": "k", "value": "$(P_K)!"}]
    assert build(env, envFrom=sources) == {"P_K": "v", "k": "v!"}
    with pytest.raises(ConfigProblem, match='secret "none" not found'):
        build(envFrom=[{"secretRef": {"name": "none"}}])
    assert build(envFrom=[{"secretRef": {"name": "none", "optional": True}}]) == {}


@pytest.mark.parametrize(
    ("resource", "divisor", "expected"),
    [
        ("requests.cpu", None, "2"),
        ("requests.cpu", "1m", "1500"),
        ("limits.memory", "1Mi", "512"),
        ("limits.cpu", None, "4"),
    ],
)
def test_resource_fields_are_rounded_up(resource: str, divisor: str | None, expected: str) -> None:
    source = {"resourceFieldRef": {"resource": resource, "divisor": divisor}}
    resources = {"requests": {"cpu": "1500m"}, "limits": {"memory": "512Mi"}}
    env = [{"name": "V", "valueFrom": source}]
    assert build(env, resources=resources) == {"V": expected}


def test_the_argument_vector_joins_command_and_args() -> None:
    container = Container(command=["run", "$(A)"], args=["$(B)"])
    assert argument_vector(container, {"A": "1"}) == ["run", "1", "$(B)"]
    assert argument_vector(Container(args=["only"]), {}) == ["only"]
    assert argument_vector(Container(), {}) == []


def test_what_has_to_be_fetched_is_known_before() -> None:
    container = msgspec.convert(
        {
            "env": [key("secretKeyRef", "s", "k"), key("configMapKeyRef", "m", "k")],
            "envFrom": [{"secretRef": {"name": "t"}}],
        },
        Container,
    )
    assert needed_sources(container) == ({"s", "t"}, {"m"})
