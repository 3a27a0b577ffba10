"""Kinds `nuclio` and `serving`: a NuclioFunction, and the NuclioProject that it needs.

Written straight to the API server (nuclio.io/v1beta1), so that all stands here that Nuclio's
dashboard would fill in. A function stays: a newer run of the same function writes over it, told
by the order in an annotation (ADR 0014). It must not know other kinds. Worked examples: the
golden objects, 10 and 11.
"""

from __future__ import annotations

import hashlib
import math

from runbus.contracts import labels
from runbus.contracts.document import RunDocument
from runbus.contracts.document_kinds import Nuclio
from runbus.contracts.durations import parse_duration
from runbus.contracts.placement import Platform
from runbus.contracts.states import Role
from runbus.pod_launcher.manifest.container import (
    bulk_environment,
    environment,
    pull_policy,
    resource_requirements,
    without_empty,
)
from runbus.pod_launcher.manifest.metadata import Attempt, Manifest, annotations_of, run_labels
from runbus.pod_launcher.manifest.nuclio_triggers import triggers
from runbus.pod_launcher.manifest.pods import placed_role, placement, security_context
from runbus.pod_launcher.manifest.volumes import pod_volumes, volume_mounts

_API_VERSION = "nuclio.io/v1beta1"
# Nuclio puts `nuclio-` before the names of what it makes, and a Service's has 63 at most.
FUNCTION_NAME_CHARACTERS_MAX = 63 - len("nuclio-")
_DIGEST_CHARACTERS = 8
# What the dashboard fills in for a function that may go to zero: ten minutes without an event.
_SCALE_TO_ZERO = {
    "metricName": "nuclio_processor_handled_events_total",
    "windowSize": "10m",
    "threshold": 0,
}


def render(document: RunDocument, attempt: Attempt, platform: Platform) -> list[Manifest]:
    """Return the project, which must be there first, and the function."""
    return [_project(document, attempt), _function(document, attempt, platform)]


def function_name(project: str, name: str) -> str:
    """Return `<project>-<name>`; where that is too long, a digest stands for the project's end."""
    whole = f"{project}-{name}"
    if len(whole) <= FUNCTION_NAME_CHARACTERS_MAX:
        return whole
    digest = hashlib.sha256(project.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    room = FUNCTION_NAME_CHARACTERS_MAX - len(f"-{digest}-{name}")
    return f"{project[:room].rstrip('-')}-{digest}-{name}"


def _project(document: RunDocument, attempt: Attempt) -> Manifest:
    """Return the project, without a run's labels: it is every function's, and outlives them."""
    return {
        "apiVersion": _API_VERSION,
        "kind": "NuclioProject",
        "metadata": {
            "name": document.project,
            "namespace": attempt.namespace,
            "labels": {labels.MANAGED_BY: labels.MANAGER},
        },
        "spec": {},
    }


def _function(document: RunDocument, attempt: Attempt, platform: Platform) -> Manifest:
    """Return the function; without that state the controller would pass it over in silence."""
    return {
        "apiVersion": _API_VERSION,
        "kind": "NuclioFunction",
        "metadata": _metadata(document, attempt),
        "spec": _spec(placed_role(document, Role.MAIN, platform), attempt),
        "status": {"state": "waitingForResourceConfiguration"},
    }


def _metadata(document: RunDocument, attempt: Attempt) -> Manifest:
    """Return the function's metadata; the controller copies the labels to its pods."""
    project = document.project or ""
    name = function_name(project, document.name or "")
    return {
        "name": name,
        "namespace": attempt.namespace,
        "labels": {
            **run_labels(document, attempt, Role.MAIN),
            labels.NUCLIO_PROJECT: project,
            labels.NUCLIO_FUNCTION: name,
        },
        "annotations": {
            **annotations_of(document),
            labels.ORDER_ANNOTATION: str(attempt.order),
        },
    }


def _spec(document: RunDocument, attempt: Attempt) -> Manifest:
    nuclio = document.nuclio or Nuclio()
    mode = document.preemption_mode
    spec: Manifest = {
        "runtime": nuclio.runtime,
        "handler": nuclio.handler,
        "alias": "latest",
        "image": document.image,
        "imageHash": str(attempt.number),
        "imagePullPolicy": pull_policy(document),
        "imagePullSecrets": document.image_pull_secret,
        "build": {"mode": "neverBuild", "codeEntryType": "image"},
        **_scaling(document, nuclio),
        "readinessTimeoutSeconds": _readiness_timeout_s(nuclio),
        "waitReadinessTimeoutBeforeFailure": True,
        "serviceType": "ClusterIP",
        "serviceAccount": document.service_account,
        "securityContext": security_context(document.security_context),
        "priorityClassName": document.priority_class,
        "preemptionMode": mode.value if mode is not None else None,
        "nodeName": document.node_name,
        **placement(document),
        "env": environment(document, attempt, Role.MAIN),
        "envFrom": bulk_environment(document),
        "resources": resource_requirements(document.resources),
        "volumes": _volumes(document),
        "triggers": triggers(nuclio),
    }
    return {"eventTimeout": "", **without_empty(spec)}


def _readiness_timeout_s(nuclio: Nuclio) -> int | None:
    text = nuclio.readiness_timeout
    seconds = parse_duration(text) if text is not None else None
    return math.ceil(seconds) if seconds is not None else None


def _scaling(document: RunDocument, nuclio: Nuclio) -> Manifest:
    """Return the replicas: those of a stream's shards, a number, or a range with its target."""
    stream = nuclio.v3io_stream
    if stream is not None and stream.shards is not None:
        return {"minReplicas": stream.shards, "maxReplicas": stream.shards}
    if document.replicas is not None:
        return {"replicas": document.replicas}
    least, most = document.min_replicas, document.max_replicas
    scaling: Manifest = {"minReplicas": least, "maxReplicas": most}
    if least != most:
        scaling["targetCPU"] = document.target_cpu
    if least == 0:
        scaling["scaleToZero"] = {"scaleResources": [dict(_SCALE_TO_ZERO)]}
    return scaling


def _volumes(document: RunDocument) -> list[Manifest]:
    """Return pairs of a volume and its mount."""
    volumes = document.volumes or ()
    pairs = zip(pod_volumes(volumes, document.user), volume_mounts(volumes), strict=True)
    return [{"volume": volume, "volumeMount": mount} for volume, mount in pairs]
