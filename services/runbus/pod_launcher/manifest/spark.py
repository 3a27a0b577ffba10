"""Kind `spark`: one SparkApplication of the Spark operator (sparkoperator.k8s.io/v1beta2).

The operator tries a submission again, since no pod exists yet, and never a failed application:
another try is another attempt. Failed executors stay until the driver goes, so that their reason
can be read. It must not know other kinds. Worked example: the golden objects, 06.
"""

from __future__ import annotations

from runbus.contracts.document import Resources, RunDocument
from runbus.contracts.document_kinds import Spark, SparkType
from runbus.contracts.document_rules import GPU_TYPE_DEFAULT
from runbus.contracts.placement import Platform
from runbus.contracts.states import Role
from runbus.pod_launcher.manifest.container import (
    arguments,
    bulk_environment,
    environment,
    program,
    pull_policy,
    resource_requirements,
    without_empty,
)
from runbus.pod_launcher.manifest.metadata import (
    Attempt,
    Manifest,
    is_kueues,
    metadata,
    template_metadata,
)
from runbus.pod_launcher.manifest.pods import placed_role, placement, security_context
from runbus.pod_launcher.manifest.spark_resources import (
    OVERHEAD_PERCENT_JVM,
    OVERHEAD_PERCENT_OTHER,
    device_of,
    other_resources,
    role_resources,
)
from runbus.pod_launcher.manifest.volumes import pod_volumes, volume_mounts
from runbus.settings.limits import grace_s

_RESTART_POLICY = {
    "type": "OnFailure",
    "onFailureRetries": 0,
    "onFailureRetryInterval": 10,
    "onSubmissionFailureRetries": 3,
    "onSubmissionFailureRetryInterval": 20,
}
_CONTAINERS = {Role.DRIVER: "spark-kubernetes-driver", Role.EXECUTOR: "spark-kubernetes-executor"}


def render(document: RunDocument, attempt: Attempt, platform: Platform) -> list[Manifest]:
    """Return the one SparkApplication of an attempt."""
    spark = document.spark or Spark()
    of_executors = {**_scaling(document), "deleteOnTermination": False}
    spec: Manifest = {
        **_program(document, spark),
        "mode": "cluster",
        "sparkVersion": spark.version,
        "image": document.image,
        "imagePullPolicy": pull_policy(document),
        "imagePullSecrets": [document.image_pull_secret] if document.image_pull_secret else None,
        "sparkConf": dict(spark.conf or {}),
        "restartPolicy": dict(_RESTART_POLICY),
        "suspend": is_kueues(document) or None,
        "dynamicAllocation": _dynamic_allocation(document),
        "volumes": pod_volumes(document.volumes or (), document.user),
        "driver": _role(document, attempt, Role.DRIVER, platform),
        "executor": {**_role(document, attempt, Role.EXECUTOR, platform), **of_executors},
    }
    application: Manifest = {
        "apiVersion": "sparkoperator.k8s.io/v1beta2",
        "kind": "SparkApplication",
        "metadata": metadata(document, attempt),
        "spec": without_empty(spec),
    }
    return [application]


def _program(document: RunDocument, spark: Spark) -> Manifest:
    """Return the application: the first element of the container command is its file."""
    file, *before = program(document) or [""]
    language = spark.type or SparkType.PYTHON
    return {
        "type": language.value,
        "pythonVersion": "3" if language is SparkType.PYTHON else None,
        "mainClass": spark.main_class,
        "mainApplicationFile": file,
        "arguments": [*before, *arguments(document)],
    }


def _is_range(document: RunDocument) -> bool:
    return document.replicas is None and document.max_replicas is not None


def _scaling(document: RunDocument) -> Manifest:
    """Return how many executors there are at first; the operator wants at least one."""
    count = document.min_replicas if _is_range(document) else document.replicas
    return {"instances": max(1, count or 1)}


def _dynamic_allocation(document: RunDocument) -> Manifest | None:
    if not _is_range(document):
        return None
    least = document.min_replicas or 0
    return {
        "enabled": True,
        "initialExecutors": least,
        "minExecutors": least,
        "maxExecutors": document.max_replicas,
    }


def _role(document: RunDocument, attempt: Attempt, role: Role, platform: Platform) -> Manifest:
    """Return the driver or the executors: the operator's own words for a pod and its container."""
    own = placed_role(document, role, platform)
    blocks = resource_requirements(own.resources)
    requests, limits = blocks.get("requests", {}), blocks.get("limits", {})
    device = device_of(limits, _gpu_type(own.resources))
    overhead_percent = _overhead_percent(document.spark or Spark())
    return without_empty(
        {
            **role_resources(requests, limits, device, overhead_percent),
            "serviceAccount": own.service_account,
            "priorityClassName": own.priority_class,
            **template_metadata(own, attempt, role),
            "env": environment(own, attempt, role),
            "envFrom": bulk_environment(own),
            "volumeMounts": volume_mounts(own.volumes or ()),
            "podSecurityContext": security_context(own.security_context),
            "terminationGracePeriodSeconds": grace_s(own),
            **placement(own),
            "template": _template(own, role, other_resources(requests, limits, device)),
        }
    )


def _gpu_type(resources: Resources | None) -> str | None:
    gpus = resources.gpus if resources is not None else None
    return (gpus.type or GPU_TYPE_DEFAULT) if gpus is not None else None


def _overhead_percent(spark: Spark) -> int | None:
    """Return what Spark adds to the heap; None where the user's conf has its own arithmetic."""
    if any("memoryOverhead" in key for key in spark.conf or {}):
        return None
    is_jvm = spark.type in (SparkType.JAVA, SparkType.SCALA)
    return OVERHEAD_PERCENT_JVM if is_jvm else OVERHEAD_PERCENT_OTHER


def _template(document: RunDocument, role: Role, resources: dict[str, dict[str, str]]) -> Manifest:
    """Return the pod template for what the operator has no field for; mostly there is none."""
    container = without_empty({"workingDir": document.workdir, "resources": resources})
    spec = without_empty(
        {
            "nodeName": document.node_name,
            "containers": [{"name": _CONTAINERS[role], **container}] if container else None,
        }
    )
    return {"spec": spec} if spec else {}
