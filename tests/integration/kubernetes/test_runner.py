"""The local cluster's runner as the kubelet of a real control plane: node, pods, logs, deletion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.cluster import until
from support.cluster_pods import condition, container, ended, phase, pod, running
from support.control_plane.kubelet import Kubelet
from support.control_plane.plane import ControlPlane
from support.kubectl import Kubectl, needs_kubectl

LIMIT_S = 40.0


def get(plane: ControlPlane, path: str) -> dict[str, Any]:
    status, found = plane.request("GET", path)
    assert status == 200, found
    return found


def create(plane: ControlPlane, namespace: str, name: str, *command: str, **spec: Any) -> str:
    path = f"/api/v1/namespaces/{namespace}/pods"
    status, answer = plane.request("POST", path, pod(name, container("main", *command), **spec))
    assert status == 201, answer
    return f"{path}/{name}"


async def test_its_node_is_ready_and_loses_the_taint_of_a_new_one(
    control_plane: ControlPlane, kubelet: Kubelet
) -> None:
    async def usable() -> bool:
        status, node = control_plane.request("GET", "/api/v1/nodes/worker")
        return (
            status == 200
            and condition(node, "Ready").get("status") == "True"
            and not (node["spec"].get("taints"))
        )

    await until(usable, LIMIT_S)


async def test_a_pod_is_placed_runs_and_is_deleted_when_it_has_ended(
    control_plane: ControlPlane, kubelet: Kubelet, namespace: str
) -> None:
    path = create(control_plane, namespace, "short", "sh", "-c", "exit 0")

    async def over() -> bool:
        return ended(get(control_plane, path))

    await until(over, LIMIT_S)
    shown = get(control_plane, path)
    assert (phase(shown), shown["spec"]["nodeName"]) == ("Succeeded", "worker")

    async def gone() -> bool:
        return control_plane.request("GET", path)[0] == 404

    assert control_plane.request("DELETE", path)[0] == 200
    await until(gone, LIMIT_S)


async def test_a_deletion_is_confirmed_once_the_process_has_ended(
    control_plane: ControlPlane, kubelet: Kubelet, namespace: str
) -> None:
    path = create(control_plane, namespace, "long", "sleep", "60", terminationGracePeriodSeconds=5)

    async def runs() -> bool:
        return running(get(control_plane, path))

    async def gone() -> bool:
        return control_plane.request("GET", path)[0] == 404

    await until(runs, LIMIT_S)
    assert control_plane.request("DELETE", path)[1]["metadata"]["deletionGracePeriodSeconds"] == 5
    await until(gone, LIMIT_S)


@needs_kubectl
async def test_logs_go_through_the_api_server_over_tls(
    control_plane: ControlPlane, kubelet: Kubelet, namespace: str, tmp_path: Path
) -> None:
    path = create(control_plane, namespace, "talks", "sh", "-c", "echo one; echo two")
    kubectl = Kubectl(control_plane.kubeconfig("admin", namespace), tmp_path)

    async def over() -> bool:
        return ended(get(control_plane, path))

    await until(over, LIMIT_S)
    assert (await kubectl.ok("logs", "talks")).out == "one\ntwo\n"
    assert (await kubectl.ok("logs", "talks", "--tail=1")).out == "two\n"
