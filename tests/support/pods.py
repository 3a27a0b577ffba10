"""Builders of pods for tests: each step adds what a scheduler, kubelet or user would write.

`a_pod()` was created and nobody has seen it; `a_bound_pod()` has a node. A builder never changes:
each step gives a new one. `document()` is the JSON object, `pod()` what runbus decodes from it.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import msgspec

from runbus.reading.objects import Pod, decode_pod

CREATED = "10:00:00"
BOUND = "10:00:05"
STARTED = "10:01:00"
FINISHED = "10:20:00"


def at(time: str) -> datetime:
    """Give the moment of the day on which all of these pods live, e.g. `at("10:20:00")`."""
    return datetime.fromisoformat(f"2026-11-01T{time}").replace(tzinfo=UTC)


def _text(time: str) -> str:
    return f"2026-11-01T{time}Z"


class PodBuilder:
    """One pod in the making."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def document(self) -> dict[str, Any]:
        return copy.deepcopy(self._document)

    def body(self) -> bytes:
        return msgspec.json.encode(self._document)

    def pod(self) -> Pod:
        return decode_pod(self.body())

    def labelled(self, **labels: str) -> PodBuilder:
        made = self.document()
        made["metadata"]["labels"].update(labels)
        return PodBuilder(made)

    def with_init(self, name: str = "init-data", *, sidecar: bool = False) -> PodBuilder:
        made = self.document()
        spec = {"name": name, "image": f"registry.example.com/{name}:1"}
        made["spec"].setdefault("initContainers", []).append(
            spec | {"restartPolicy": "Always"} if sidecar else spec
        )
        return PodBuilder(made)

    def with_container(self, name: str = "logger") -> PodBuilder:
        """Add a plain sidecar: one more regular container."""
        made = self.document()
        made["spec"]["containers"].append({"name": name, "image": f"registry.example.com/{name}:1"})
        return PodBuilder(made)

    def gated(self, *names: str) -> PodBuilder:
        made = self.document()
        made["spec"]["schedulingGates"] = [{"name": each} for each in names]
        return PodBuilder(made).condition("PodScheduled", "False", reason="SchedulingGated")

    def unschedulable(
        self, message: str = "0/1 nodes are available: 1 Insufficient cpu."
    ) -> PodBuilder:
        return self.condition("PodScheduled", "False", reason="Unschedulable", message=message)

    def bound(self, node: str = "node-1", *, time: str = BOUND) -> PodBuilder:
        made = self.document()
        made["spec"]["nodeName"] = node
        return PodBuilder(made).condition("PodScheduled", "True", time=time)

    def condition(
        self, kind: str, status: str, *, reason: str = "", message: str = "", time: str = CREATED
    ) -> PodBuilder:
        made = self.document()
        others = [each for each in made["status"].get("conditions", []) if each["type"] != kind]
        new = {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": _text(time),
        }
        made["status"]["conditions"] = [*others, new]
        return PodBuilder(made)

    def disrupted(self, reason: str, *, message: str = "", time: str = FINISHED) -> PodBuilder:
        return self.condition("DisruptionTarget", "True", reason=reason, message=message, time=time)

    def phase(self, phase: str, *, reason: str = "", message: str = "") -> PodBuilder:
        made = self.document()
        made["status"] |= {"phase": phase, "reason": reason, "message": message}
        return PodBuilder(made)

    def deleting(self, *, asked_at: str = FINISHED, grace_s: int = 30) -> PodBuilder:
        """Ask for the deletion: the API server stores that moment plus the grace."""
        made = self.document()
        gone_by = datetime.fromtimestamp(at(asked_at).timestamp() + grace_s, UTC)
        made["metadata"]["deletionTimestamp"] = gone_by.strftime("%Y-%m-%dT%H:%M:%SZ")
        made["metadata"]["deletionGracePeriodSeconds"] = grace_s
        return PodBuilder(made)

    def waiting(self, reason: str, message: str = "", *, container: str = "main") -> PodBuilder:
        return self._with_state(container, {"waiting": {"reason": reason, "message": message}})

    def running(self, *, container: str = "main", time: str = STARTED) -> PodBuilder:
        shown = self._with_state(container, {"running": {"startedAt": _text(time)}}).document()
        regular = {each["name"] for each in shown["spec"]["containers"]}
        if container in regular:
            shown["status"]["phase"] = "Running"
        return PodBuilder(shown)

    def terminated(
        self,
        exit_code: int,
        *,
        container: str = "main",
        reason: str = "",
        message: str = "",
        started: str = STARTED,
        finished: str = FINISHED,
    ) -> PodBuilder:
        end = _end(exit_code, reason, message, started, finished)
        return self._with_state(container, {"terminated": end})

    def restarted(
        self,
        times: int,
        exit_code: int = 1,
        *,
        container: str = "main",
        started: str = STARTED,
        finished: str = FINISHED,
    ) -> PodBuilder:
        """Say that the container ended before, and is (or will be) started again."""
        made = self.document()
        status = _status_of(made, container)
        status["restartCount"] = times
        status["lastState"] = {"terminated": _end(exit_code, "", "", started, finished)}
        return PodBuilder(made)

    def _with_state(self, container: str, state: dict[str, Any]) -> PodBuilder:
        made = self.document()
        _status_of(made, container)["state"] = state
        return PodBuilder(made)


def a_pod(name: str = "run-1", *, restart_policy: str = "Never", main: str = "main") -> PodBuilder:
    """Begin with a pod that was just created."""
    return PodBuilder(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": "nlp",
                "uid": f"uid-of-{name}",
                "resourceVersion": "7",
                "creationTimestamp": _text(CREATED),
                "labels": {},
            },
            "spec": {
                "restartPolicy": restart_policy,
                "containers": [{"name": main, "image": "registry.example.com/x:1"}],
            },
            "status": {"phase": "Pending"},
        }
    )


def a_bound_pod(name: str = "run-1", *, restart_policy: str = "Never") -> PodBuilder:
    """Begin with a pod that has its node, and whose kubelet has said nothing yet."""
    return a_pod(name, restart_policy=restart_policy).bound()


def _end(exit_code: int, reason: str, message: str, started: str, finished: str) -> dict[str, Any]:
    return {
        "exitCode": exit_code,
        "reason": reason or ("Completed" if exit_code == 0 else "Error"),
        "message": message,
        "startedAt": started if "T" in started else _text(started),
        "finishedAt": _text(finished),
    }


def _status_of(document: dict[str, Any], container: str) -> dict[str, Any]:
    """Find, or begin, the status of a container in the list that it belongs to."""
    inits = {each["name"] for each in document["spec"].get("initContainers", [])}
    key = "initContainerStatuses" if container in inits else "containerStatuses"
    statuses: list[dict[str, Any]] = document["status"].setdefault(key, [])
    for each in statuses:
        if each["name"] == container:
            return each
    made: dict[str, Any] = {"name": container, "restartCount": 0, "ready": False}
    statuses.append(made)
    return made


def autoscaler_event(metadata: dict[str, Any], reason: str, message: str) -> dict[str, Any]:
    """Return the Kubernetes event that a cluster autoscaler writes on a pod, now."""
    name, namespace = metadata["name"], metadata["namespace"]
    return {
        "metadata": {"name": f"{name}.{reason.lower()}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": namespace,
            "name": name,
            "uid": metadata["uid"],
        },
        "reason": reason,
        "message": message,
        "type": "Normal",
        "reportingComponent": "cluster-autoscaler",
        "reportingInstance": "",
        "source": {"component": "cluster-autoscaler"},
        "lastTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "count": 1,
    }
