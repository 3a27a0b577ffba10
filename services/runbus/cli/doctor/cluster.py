"""Whether the Kubernetes API answers, which one it is, and whether it has nodes to run on."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from runbus.cli.doctor.findings import Finding, Section, ok, problem, some, warning
from runbus.cli.kube_access import KubeAccess
from runbus.reading.objects import Node, decode_node_list

NODES_MAX = 500
FORBIDDEN = frozenset({401, 403})


class _Version(Struct, rename="camel"):
    git_version: str = ""


async def check_cluster(kube: KubeAccess) -> list[Finding]:
    """Return what there is to say of the API server and of its nodes."""
    answer = await kube.request("GET", "/version")
    if not answer.is_success:
        text = f"{kube.url} refuses: {answer.status} {answer.message}"
        return [problem(Section.CLUSTER, text, "check the kubeconfig's user and token")]
    version = msgspec.json.decode(answer.body, type=_Version).git_version
    return [ok(Section.CLUSTER, f"Kubernetes {version} at {kube.url}"), await _nodes(kube)]


async def _nodes(kube: KubeAccess) -> Finding:
    answer = await kube.request("GET", "/api/v1/nodes", query={"limit": str(NODES_MAX)})
    if answer.status in FORBIDDEN:
        return warning(Section.CLUSTER, "nodes may not be listed with this kubeconfig")
    if not answer.is_success:
        return problem(Section.CLUSTER, f"nodes: {answer.status} {answer.message}")
    nodes = decode_node_list(answer.body).items
    ready = [node for node in nodes if _is_ready(node)]
    if not ready:
        text = f"no node is ready, of {len(nodes)}"
        return problem(Section.CLUSTER, text, "no run can start until one is")
    not_ready = [node.metadata.name for node in nodes if not _is_ready(node)]
    if not_ready:
        text = f"{len(ready)} of {len(nodes)} nodes are ready; not ready: {some(not_ready)}"
        return warning(Section.CLUSTER, text, "kubectl describe node says why")
    return ok(Section.CLUSTER, f"{len(ready)} node{'s' if len(ready) != 1 else ''}, all ready")


def _is_ready(node: Node) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in node.status.conditions)
