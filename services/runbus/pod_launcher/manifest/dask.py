"""Kind `dask`: a DaskCluster or a DaskJob, and a DaskAutoscaler where there is a range.

Objects of the Dask operator (kubernetes.dask.org/v1). A cluster's pods are in Deployments, which
restart them; the runner of a job runs once. It must not know other kinds. Worked example: the
golden objects, 08.
"""

from __future__ import annotations

import math
import re

from msgspec.structs import replace

from runbus.contracts.document import RunDocument
from runbus.contracts.document_kinds import Dask, DaskMode
from runbus.contracts.durations import parse_duration
from runbus.contracts.placement import Platform
from runbus.contracts.quantities import parse_quantity
from runbus.contracts.states import Role
from runbus.pod_launcher.manifest.container import (
    main_container,
    resource_requirements,
    role_container,
)
from runbus.pod_launcher.manifest.label_keys import without_label_keys
from runbus.pod_launcher.manifest.metadata import Attempt, Manifest, metadata, name_of, run_labels
from runbus.pod_launcher.manifest.pods import NEVER, placed_role, pod_template

_API_VERSION = "kubernetes.dask.org/v1"
_COMM, _COMM_PORT = "tcp-comm", 8786
_DASHBOARD, _DASHBOARD_PORT = "http-dashboard", 8787
_SCHEDULER_ARGS = ("dask-scheduler", "--host", "0.0.0.0")  # noqa: S104 (in its own pod)
_WORKER_ARGS = ("dask-worker", "--name", "$(DASK_WORKER_NAME)")
_CLUSTER_LABEL, _COMPONENT_LABEL = "dask.org/cluster-name", "dask.org/component"
_BINARY = re.compile(r"\+?[0-9.]+[KMGTPE]i")


def render(document: RunDocument, attempt: Attempt, platform: Platform) -> list[Manifest]:
    """Return the cluster, or the job with a cluster of its own, and its autoscaler."""
    dask = document.dask or Dask()
    is_job = dask.mode is DaskMode.JOB
    cluster = _cluster_spec(document, attempt, platform, dask)
    if is_job:
        spec: Manifest = {
            "cluster": {"spec": cluster},
            "job": _runner(document, attempt, platform),
        }
    else:
        idle_s = parse_duration(dask.idle_timeout) if dask.idle_timeout is not None else None
        idle = {"idleTimeout": math.ceil(idle_s)} if idle_s is not None else {}
        spec = {**idle, **cluster}
    own = _object("DaskJob" if is_job else "DaskCluster", document, attempt, spec)
    return [own, *_autoscaler(document, attempt)]


def dask_memory(quantity: str) -> str:
    """Return a quantity as Dask reads it: `8GiB` for `8Gi`, else bytes."""
    if _BINARY.fullmatch(quantity):
        return f"{quantity}B"
    return str(math.ceil(parse_quantity(quantity)))


def _object(kind: str, document: RunDocument, attempt: Attempt, spec: Manifest) -> Manifest:
    return {
        "apiVersion": _API_VERSION,
        "kind": kind,
        "metadata": metadata(document, attempt),
        "spec": spec,
    }


def _is_range(document: RunDocument) -> bool:
    least, most = document.min_replicas, document.max_replicas
    return document.replicas is None and most is not None and least != most


def _autoscaler(document: RunDocument, attempt: Attempt) -> list[Manifest]:
    if not _is_range(document):
        return []
    spec: Manifest = {
        "cluster": name_of(document, attempt),
        "minimum": document.min_replicas or 0,
        "maximum": document.max_replicas,
    }
    return [_object("DaskAutoscaler", document, attempt, spec)]


def _cluster_spec(
    document: RunDocument, attempt: Attempt, platform: Platform, dask: Dask
) -> Manifest:
    """Return scheduler and workers; the group of workers starts with the least of a range."""
    count = document.replicas if document.replicas is not None else document.min_replicas
    return {
        "scheduler": {
            **_scheduler(document, attempt, platform),
            "service": _service(name_of(document, attempt)),
        },
        "worker": {
            "replicas": count if count is not None else 1,
            **_worker(document, attempt, platform, dask),
        },
    }


def _own(document: RunDocument, attempt: Attempt, role: Role, platform: Platform) -> RunDocument:
    """Return the settings of a role; the operator's definitions do not know label keys."""
    own = placed_role(document, role, platform)
    cluster = name_of(document, attempt)
    pod_labels = {
        **run_labels(own, attempt, role),
        _CLUSTER_LABEL: cluster,
        _COMPONENT_LABEL: "job-runner" if role is Role.RUNNER else role.value,
    }
    return replace(own, affinity=without_label_keys(own.affinity, pod_labels))


def _scheduler(document: RunDocument, attempt: Attempt, platform: Platform) -> Manifest:
    own = _own(document, attempt, Role.SCHEDULER, platform)
    container = role_container(own, attempt, Role.SCHEDULER, name="scheduler", args=_SCHEDULER_ARGS)
    container["ports"] = [
        {"name": _COMM, "containerPort": _COMM_PORT, "protocol": "TCP"},
        {"name": _DASHBOARD, "containerPort": _DASHBOARD_PORT, "protocol": "TCP"},
    ]
    container["readinessProbe"] = _probe(delay_s=5, period_s=10)
    container["livenessProbe"] = _probe(delay_s=15, period_s=20)
    return pod_template(own, attempt, Role.SCHEDULER, container)


def _probe(*, delay_s: int, period_s: int) -> Manifest:
    return {
        "httpGet": {"port": _DASHBOARD, "path": "/health"},
        "initialDelaySeconds": delay_s,
        "periodSeconds": period_s,
    }


def _service(cluster: str) -> Manifest:
    """Return the scheduler's service, which the operator makes as it stands here."""
    ports = ((_COMM, _COMM_PORT), (_DASHBOARD, _DASHBOARD_PORT))
    return {
        "type": "ClusterIP",
        "selector": {_CLUSTER_LABEL: cluster, _COMPONENT_LABEL: Role.SCHEDULER.value},
        "ports": [
            {"name": name, "protocol": "TCP", "port": port, "targetPort": name}
            for name, port in ports
        ],
    }


def _worker(document: RunDocument, attempt: Attempt, platform: Platform, dask: Dask) -> Manifest:
    """Return the workers; Dask is told of threads and memory, which it may not see by itself."""
    own = _own(document, attempt, Role.WORKER, platform)
    args = [*_WORKER_ARGS]
    if dask.nthreads is not None:
        args += ["--nthreads", str(dask.nthreads)]
    memory = resource_requirements(own.resources).get("limits", {}).get("memory")
    if memory is not None:
        args += ["--memory-limit", dask_memory(memory)]
    container = role_container(own, attempt, Role.WORKER, name="worker", args=args)
    return pod_template(own, attempt, Role.WORKER, container)


def _runner(document: RunDocument, attempt: Attempt, platform: Platform) -> Manifest:
    own = _own(document, attempt, Role.RUNNER, platform)
    container = main_container(own, attempt, Role.RUNNER)
    return pod_template(own, attempt, Role.RUNNER, container, restart_policy=NEVER)
