"""Pods of the stand-in, kept as bytes that need only be joined: what a real API server shows.

A pod has about 4.5 KB, as with a real API server and kubelet: managed fields, defaults and
conditions are there although nobody here reads them, because every reader pays for them. It must
not know clients, clocks, or what happens when.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

Labels = dict[str, str]


def _inside(mapping: dict[str, Any]) -> bytes:
    return msgspec.json.encode(mapping)[1:-1]


_NODE = b'"nodeName":"node-1",'
_DEFAULTS = {
    "schedulerName": "default-scheduler",
    "dnsPolicy": "ClusterFirst",
    "priority": 0,
    "preemptionPolicy": "PreemptLowerPriority",
    "serviceAccount": "default",
    "tolerations": [
        {
            "key": f"node.kubernetes.io/{key}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 300,
        }
        for key in ("not-ready", "unreachable")
    ],
    "volumes": [
        {
            "name": "kube-api-access-x2f9q",
            "projected": {
                "defaultMode": 420,
                "sources": [
                    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                    {
                        "configMap": {
                            "name": "kube-root-ca.crt",
                            "items": [{"key": "ca.crt", "path": "ca.crt"}],
                        }
                    },
                ],
            },
        }
    ],
}


def _fields(*names: str) -> dict[str, Any]:
    return {f"f:{name}": {} for name in names}


def _condition_fields(*types: str) -> dict[str, Any]:
    fields = _fields("type", "status", "lastProbeTime", "lastTransitionTime", "reason", "message")
    return {f'k:{{"type":"{each}"}}': {".": {}, **fields} for each in types}


_MANAGED_FIELDS = [
    {
        "manager": "runbus",
        "operation": "Update",
        "apiVersion": "v1",
        "time": "2026-11-01T10:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:metadata": {
                "f:annotations": {".": {}, **_fields("runbus.dev/state-thresholds")},
                "f:labels": {
                    ".": {},
                    **_fields(
                        "app.kubernetes.io/managed-by",
                        *(
                            f"runbus.dev/{each}"
                            for each in ("attempt", "kind", "project", "role", "run-id", "shard")
                        ),
                    ),
                },
            },
            "f:spec": {
                "f:containers": {
                    'k:{"name":"main"}': {
                        ".": {},
                        **_fields("args", "command", "image", "imagePullPolicy", "name"),
                        **_fields("resources", "terminationMessagePath"),
                        "f:env": {
                            ".": {},
                            **{
                                f'k:{{"name":"RUNBUS_{each}"}}': {".": {}, **_fields("name")}
                                for each in ("RUN_ID", "PROJECT", "NAME", "ATTEMPT")
                            },
                        },
                    }
                },
                **_fields("dnsPolicy", "enableServiceLinks", "restartPolicy", "schedulerName"),
                **_fields("securityContext", "terminationGracePeriodSeconds"),
            },
        },
    },
    {
        "manager": "kubelet",
        "operation": "Update",
        "apiVersion": "v1",
        "time": "2026-11-01T10:00:01Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:status": {
                "f:conditions": _condition_fields("ContainersReady", "Initialized", "Ready"),
                **_fields("containerStatuses", "hostIP", "phase", "podIP", "podIPs", "startTime"),
            }
        },
        "subresource": "status",
    },
]


_MANAGED = _inside({"managedFields": _MANAGED_FIELDS}) + b","
_DEFAULTED = _inside(_DEFAULTS) + b","


class Step(StrEnum):
    """What can happen to a pod, in the order of a life."""

    BOUND = "bound"
    IMAGE = "image"  # its image cannot be pulled
    RUNNING = "running"
    TOUCHED = "touched"  # a change that means nothing
    SUCCEEDED = "succeeded"
    FAILED = "failed"


_CONDITION_TYPES = ("Initialized", "Ready", "ContainersReady", "PodScheduled")
_PHASES = {Step.RUNNING: "Running", Step.SUCCEEDED: "Succeeded", Step.FAILED: "Failed"}
_UNREADY = {Step.BOUND, Step.IMAGE, Step.SUCCEEDED, Step.FAILED}


class Pod:
    """One pod. `version` is its resourceVersion; `deletion` the fields of one being deleted."""

    __slots__ = (
        *("_metadata", "_spec", "bound", "deletion", "labels", "name", "namespace"),
        *("plan", "status", "step", "uid", "version"),
    )

    def __init__(self, manifest: dict[str, Any], namespace: str, uid: str, now: str) -> None:
        metadata = dict(manifest["metadata"])
        self.bound = False
        self.name: str = metadata["name"]
        self.namespace = namespace
        self.uid = uid
        self.labels: Labels = metadata.get("labels") or {}
        self.plan: str = (metadata.get("annotations") or {}).get("bench.runbus.dev/plan", "")
        self.version = 0
        self.deletion = b""
        self.step: Step | None = None
        self.status = pending_status()
        metadata |= {"namespace": namespace, "uid": uid, "creationTimestamp": now}
        # Only what differs is kept of each: 100,000 of them must not fill the machine.
        self._metadata = _inside(metadata)
        self._spec = _inside(manifest.get("spec", {}))

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    def encoded(self) -> bytes:
        """Return the pod as JSON."""
        return b"".join(
            (
                b'{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"%d",'
                % self.version,
                self.deletion,
                _MANAGED,
                self._metadata,
                b'},"spec":{',
                _NODE if self.bound else b"",
                _DEFAULTED,
                self._spec,
                b'},"status":',
                self.status,
                b"}",
            )
        )

    def take(self, step: Step, now: str) -> None:
        """Let a step happen."""
        self.bound = True
        if step is Step.TOUCHED:
            step = self.step or Step.BOUND
        self.step = step
        self.status = status_of(step, now, self.version)


def pending_status() -> bytes:
    """Return the status of a pod that nobody has seen."""
    return b'{"phase":"Pending","qosClass":"BestEffort"}'


def status_of(step: Step, now: str, changes: int) -> bytes:
    """Return the status after a step; `changes` makes each differ from the one before."""
    state: dict[str, Any]
    match step:
        case Step.BOUND:
            state = {"waiting": {"reason": "ContainerCreating"}}
        case Step.IMAGE:
            message = "Back-off pulling image: not found"
            state = {"waiting": {"reason": "ImagePullBackOff", "message": message}}
        case Step.RUNNING | Step.TOUCHED:
            state = {"running": {"startedAt": now}}
        case Step.SUCCEEDED | Step.FAILED:
            code = 0 if step is Step.SUCCEEDED else 1
            end = {"exitCode": code, "reason": "Error" if code else "Completed"}
            state = {"terminated": {**end, "startedAt": now, "finishedAt": now}}
    ready = step not in _UNREADY
    return msgspec.json.encode(
        {
            "phase": _PHASES.get(step, "Pending"),
            "conditions": [_condition(each, step, now) for each in _CONDITION_TYPES],
            "hostIP": "10.0.0.1",
            "podIP": f"10.1.{changes // 256 % 256}.{changes % 256}",
            "startTime": now,
            "containerStatuses": [
                {
                    "name": "main",
                    "image": "registry.example.com/nlp/finetune:3",
                    "imageID": "registry.example.com/nlp/finetune@sha256:" + "0" * 64,
                    "containerID": "containerd://" + "0" * 64,
                    "restartCount": 0,
                    "ready": ready,
                    "started": ready,
                    "state": state,
                }
            ],
            "qosClass": "Burstable",
        }
    )


def _condition(kind: str, step: Step, now: str) -> dict[str, Any]:
    is_true = kind in {"Initialized", "PodScheduled"} or step not in _UNREADY
    status = "True" if is_true else "False"
    return {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": now}
