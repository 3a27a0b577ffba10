"""A kubelet that does nothing but what a test tells it, for what no real one does on demand.

Images that cannot be pulled and then can, starts that take for ever, a node that goes silent or is
taken away, a status that comes when all is over, a deletion that is not confirmed. Knows no pytest.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from support.control_plane.plane import ControlPlane

JsonObject = dict[str, Any]
MERGE_PATCH = "application/merge-patch+json"
SIZE = {"cpu": "8", "memory": "16Gi", "pods": "110"}
_SHUTDOWN = "Pod was terminated in response to imminent node shutdown."


class ScriptedKubelet:
    """`with ScriptedKubelet(plane, "spot") as kubelet:` is a node; pods are named by their path."""

    def __init__(self, plane: ControlPlane, name: str) -> None:
        self._plane = plane
        self.name = name

    @property
    def selector(self) -> dict[str, str]:
        """What a pod asks for that is to come here."""
        return {"kubernetes.io/hostname": self.name}

    def __enter__(self) -> Self:
        metadata = {"name": self.name, "labels": self.selector}
        status, answer = self._plane.request("POST", "/api/v1/nodes", {"metadata": metadata})
        assert status == 201, answer
        self.says("True")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.is_taken_away()

    def says(self, ready: str) -> None:
        """Say whether the node is ready: True, False or Unknown."""
        condition = {"type": "Ready", "status": ready, "reason": "Scripted"}
        node = {"capacity": SIZE, "allocatable": SIZE, "conditions": [condition]}
        self._write(f"/api/v1/nodes/{self.name}", node)

    def is_taken_away(self) -> None:
        """Delete the node, as a cloud does when the machine is gone."""
        self._plane.request("DELETE", f"/api/v1/nodes/{self.name}")

    def waits(self, pod: str, reason: str) -> None:
        """Say that the container waits: ContainerCreating, ErrImagePull, ImagePullBackOff."""
        self._shows(pod, "Pending", {"waiting": {"reason": reason, "message": f"said {reason}"}})

    def runs(self, pod: str) -> None:
        """Say that the container runs."""
        self._shows(pod, "Running", {"running": {"startedAt": _now()}})

    def ends(self, pod: str, exit_code: int = 0) -> None:
        """Say that the container has ended."""
        phase = "Failed" if exit_code else "Succeeded"
        self._shows(pod, phase, {"terminated": _ended(exit_code)})

    def shuts_down(self, pod: str) -> None:
        """Say what a kubelet says of a pod that it ends because its node goes away."""
        told = {"reason": "Terminated", "message": _SHUTDOWN}
        self._shows(pod, "Failed", {"terminated": _ended(137)}, **told)

    def confirms(self, pod: str) -> int:
        """Say that nothing of a deleted pod is left; gives the answer's status code."""
        return self._plane.request("DELETE", pod, {"gracePeriodSeconds": 0})[0]

    def _shows(self, pod: str, phase: str, state: JsonObject, **more: str) -> None:
        container = {
            "name": "main",
            "image": "x:1",
            "imageID": "",
            "ready": "running" in state,
            "restartCount": 0,
            "state": state,
        }
        self._write(pod, {"phase": phase, "containerStatuses": [container], **more})

    def _write(self, path: str, status: JsonObject) -> None:
        code, answer = self._plane.request(
            "PATCH", f"{path}/status", {"status": status}, MERGE_PATCH
        )
        assert code == 200, answer


def _ended(exit_code: int) -> JsonObject:
    reason = "Error" if exit_code else "Completed"
    return {"exitCode": exit_code, "reason": reason, "startedAt": _now(), "finishedAt": _now()}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
