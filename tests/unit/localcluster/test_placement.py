"""Which node a pod goes to, and the words when it goes to none."""

from typing import Any

import msgspec
import pytest

from runbus.localcluster.rules.shapes import Node, Pod
from runbus.localcluster.scheduler.placement import (
    Placed,
    Unplaced,
    decide,
    demand_of,
    view_node,
    view_pod,
)


def node(name: str = "n", **changes: Any) -> Any:
    return {
        "metadata": {
            "name": name,
            "labels": {"zone": "a", "cores": "8", **changes.pop("labels", {})},
        },
        "spec": changes.pop("spec", {}),
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "10", **changes}},
    }


def pod(**spec: Any) -> Any:
    requests = spec.pop("requests", {"cpu": "1"})
    containers = [{"name": "main", "image": "x", "resources": {"requests": requests}}]
    return {"metadata": {"name": "p"}, "spec": {"containers": containers, **spec}}


def outcome(wanted: Any, *nodes: Any, used: dict[str, dict[str, int]] | None = None) -> str:
    views = [view_node(msgspec.convert(each, Node)) for each in nodes]
    match decide(view_pod(msgspec.convert(wanted, Pod)), views, used or {}):
        case Placed(node=name):
            return name
        case Unplaced(message=message):
            return message


def affinity(*terms: Any) -> Any:
    required = {"nodeSelectorTerms": list(terms)}
    key = "requiredDuringSchedulingIgnoredDuringExecution"
    return {"nodeAffinity": {key: required}}


def expression(key: str, operator: str, *values: str) -> Any:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


MISMATCH = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}
TAINTED = "0/1 nodes are available: 1 node(s) had untolerated taint {k: v}."


@pytest.mark.parametrize(
    ("spec", "target", "expected"),
    [
        ({}, node(), "n"),
        ({"requests": {"cpu": "4"}}, node(), "n"),
        ({"requests": {"cpu": "4001m"}}, node(), "0/1 nodes are available: 1 Insufficient cpu."),
        (
            {"requests": {"cpu": "5", "memory": "9Gi"}},
            node(),
            "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.",
        ),
        (
            {"requests": {"nvidia.com/gpu": "1"}},
            node(),
            "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
        ),
        ({"requests": {"nvidia.com/gpu": "1"}}, node(**{"nvidia.com/gpu": "1"}), "n"),
        ({"requests": {}}, node(pods="0"), "0/1 nodes are available: 1 Too many pods."),
        ({"nodeSelector": {"zone": "a"}}, node(), "n"),
        ({"nodeSelector": {"zone": "b"}}, node(), MISMATCH),
        ({"affinity": affinity(expression("zone", "In", "a", "b"))}, node(), "n"),
        ({"affinity": affinity(expression("zone", "In", "b"))}, node(), MISMATCH),
        ({"affinity": affinity(expression("zone", "NotIn", "a"))}, node(), MISMATCH),
        ({"affinity": affinity(expression("spot", "NotIn", "true"))}, node(), "n"),
        ({"affinity": affinity(expression("zone", "Exists"))}, node(), "n"),
        ({"affinity": affinity(expression("zone", "DoesNotExist"))}, node(), MISMATCH),
        ({"affinity": affinity(expression("cores", "Gt", "4"))}, node(), "n"),
        ({"affinity": affinity(expression("cores", "Lt", "8"))}, node(), MISMATCH),
        ({"affinity": affinity(expression("zone", "Gt", "4"))}, node(), MISMATCH),
        (
            {"affinity": affinity(expression("zone", "In", "b"), expression("zone", "Exists"))},
            node(),
            "n",
        ),
        ({"affinity": affinity({})}, node(), MISMATCH),
        (
            {
                "affinity": affinity(
                    {
                        "matchFields": [
                            {"key": "metadata.name", "operator": "In", "values": ["other"]}
                        ]
                    }
                )
            },
            node(),
            MISMATCH,
        ),
        ({}, node(spec={"taints": [TAINT]}), TAINTED),
        ({"tolerations": [{"key": "k", "value": "v"}]}, node(spec={"taints": [TAINT]}), "n"),
        ({"tolerations": [{"key": "k", "value": "x"}]}, node(spec={"taints": [TAINT]}), TAINTED),
        ({"tolerations": [{"operator": "Exists"}]}, node(spec={"taints": [TAINT]}), "n"),
        (
            {"tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute"}]},
            node(spec={"taints": [TAINT]}),
            TAINTED,
        ),
        ({}, node(spec={"taints": [{**TAINT, "effect": "PreferNoSchedule"}]}), "n"),
        (
            {},
            node(spec={"taints": [{"key": "k", "effect": "NoExecute"}]}),
            "0/1 nodes are available: 1 node(s) had untolerated taint {k: }.",
        ),
        (
            {},
            node(spec={"unschedulable": True}),
            "0/1 nodes are available: 1 node(s) were unschedulable.",
        ),
    ],
)
def test_one_node_takes_a_pod_or_says_why_not(spec: Any, target: Any, expected: str) -> None:
    assert outcome(pod(**spec), target) == expected


def test_reasons_of_several_nodes_are_counted() -> None:
    nodes = [node("a"), node("b"), node("c", spec={"unschedulable": True})]
    assert outcome(pod(requests={"cpu": "9"}), *nodes) == (
        "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu."
    )


def test_without_nodes_it_says_so() -> None:
    assert outcome(pod()) == "no nodes available to schedule pods"


def test_the_node_with_most_left_is_taken() -> None:
    used = {"a": {"cpu": 2000, "pods": 1}}
    assert outcome(pod(), node("a"), node("b"), used=used) == "b"
    assert outcome(pod(), node("b"), node("a")) == "a"


def test_what_is_used_counts() -> None:
    used = {"n": {"cpu": 3500, "pods": 1}}
    assert outcome(pod(), node(), used=used) == "0/1 nodes are available: 1 Insufficient cpu."


def test_a_pod_demands_its_containers_or_its_largest_init_step() -> None:
    def container(name: str, cpu: str, **more: Any) -> Any:
        return {"name": name, "resources": {"requests": {"cpu": cpu}}, **more}

    wanted = {
        "spec": {
            "initContainers": [
                container("side", "100m", restartPolicy="Always"),
                container("big", "3"),
            ],
            "containers": [container("a", "1"), container("b", "500m")],
            "overhead": {"cpu": "50m"},
        }
    }
    assert demand_of(msgspec.convert(wanted, Pod)) == {"cpu": 3150, "pods": 1}
