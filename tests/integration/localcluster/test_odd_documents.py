"""Whatever a client sends, the local cluster answers with a Status of its own and lives on.

Every place of a document of each kind is replaced by odd values, for creating and patching.
"""

import copy
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from support.cluster import LocalClusterProcess
from support.cluster_pods import NAMESPACE, PODS, container, ended, pod, terminated

JsonObject = dict[str, Any]
ODD: list[Any] = [None, -1, "x", "", [], {}, [None], {"a": 1}, "\u0000"]
STRATEGIC = "application/strategic-merge-patch+json"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
POD = pod(
    "x",
    container(
        env=[{"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        envFrom=[{"configMapRef": {"name": "m"}}],
        resources={"requests": {"cpu": "1"}, "limits": {"cpu": "1"}},
        volumeMounts=[{"name": "v", "mountPath": "/v"}],
    ),
    volumes=[{"name": "v", "configMap": {"name": "m", "items": [{"key": "a", "path": "b"}]}}],
    tolerations=[{"key": "a", "operator": "Exists"}],
    affinity={
        "nodeAffinity": {
            REQUIRED: {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
                ]
            }
        }
    },
)
NODE = {
    "metadata": {"name": "x", "labels": {"a": "b"}},
    "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]},
    "status": {
        "allocatable": {"cpu": "1"},
        "conditions": [{"type": "Ready", "status": "True"}],
        "nodeInfo": {"machineID": "a"},
    },
}
DOCUMENTS: dict[str, Any] = {
    PODS: POD,
    "/api/v1/nodes": NODE,
    f"{NAMESPACE}/configmaps": {"metadata": {"name": "x"}, "data": {"a": "b"}},
    f"{NAMESPACE}/secrets": {"metadata": {"name": "x"}, "data": {"a": "ZA=="}, "type": "Opaque"},
    f"{NAMESPACE}/events": {
        "metadata": {"name": "x"},
        "involvedObject": {"namespace": "default"},
        "source": {"component": "c"},
    },
    "/apis/scheduling.k8s.io/v1/priorityclasses": {"metadata": {"name": "x"}, "value": 1},
}


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(document, dict):
        for key, value in document.items():
            yield from places(value, (*path, key))
    elif isinstance(document, list):
        for i, value in enumerate(document):
            yield from places(value, (*path, i))


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(document)
    here = changed
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    return changed


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_odd_documents_get_a_status_and_hurt_nobody(
    tmp_path: pathlib.Path, path: str
) -> None:
    document = DOCUMENTS[path]
    bad: list[str] = []
    async with LocalClusterProcess(tmp_path / "c", runner=False) as cluster:
        await cluster.create(path, document)
        for place in places(document):
            for value in ODD:
                odd = replaced(document, place, value)
                for method, where, kind in (
                    ("POST", f"{path}?dryRun=All", "application/json"),
                    ("PATCH", f"{path}/x", STRATEGIC),
                    ("PUT", f"{path}/x", "application/json"),
                ):
                    code, answer = await cluster.request(method, where, odd, kind)
                    if code >= 500 or not isinstance(answer, dict):
                        bad.append(f"{method} {odd}: {code} {answer}")
        assert bad == []
        await cluster.get("/api/v1/namespaces/default")


async def test_a_program_with_an_odd_argument_is_a_start_error(tmp_path: pathlib.Path) -> None:
    async with LocalClusterProcess(tmp_path / "c") as cluster:
        await cluster.create(PODS, pod("odd", container("main", "echo", "a\u0000b")))
        done = await cluster.wait_for(f"{PODS}/odd", ended)
        assert terminated(done)["reason"] == "StartError"
        await cluster.create(PODS, pod("n" * 200, container("main", "true")))
        done = await cluster.wait_for(f"{PODS}/{'n' * 200}", ended)
        assert terminated(done)["exitCode"] == 0
