"""Builders of pods for tests against a cluster. Knows no pytest."""

from typing import Any

JsonObject = dict[str, Any]
NAMESPACE = "/api/v1/namespaces/default"
PODS = f"{NAMESPACE}/pods"


def container(name: str = "main", *command: str, **fields: Any) -> JsonObject:
    """One container; ``command`` is its argument vector."""
    built: JsonObject = {"name": name, "image": "registry.example.com/x:1"}
    if command:
        built["command"] = list(command)
    return {**built, **fields}


def python(code: str, name: str = "main", **fields: Any) -> JsonObject:
    """A container that runs Python code, unbuffered."""
    return container(name, "python", "-u", "-c", code, **fields)


def pod(name: str, *containers: JsonObject, **spec: Any) -> JsonObject:
    """A pod that is not restarted unless ``spec`` says so."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "containers": list(containers), **spec},
    }


def state_of(shown: JsonObject, name: str = "main", block: str = "containerStatuses") -> JsonObject:
    """The state of one container as its status shows it; empty where it has none."""
    for each in (shown.get("status") or {}).get(block) or []:
        if each["name"] == name:
            return dict(each["state"])
    return {}


def waiting_reason(shown: JsonObject, name: str = "main", block: str = "containerStatuses") -> str:
    """Why a container waits; "" where it does not."""
    return str((state_of(shown, name, block).get("waiting") or {}).get("reason", ""))


def terminated(shown: JsonObject, name: str = "main") -> JsonObject:
    """How a container ended; empty where it did not."""
    return dict(state_of(shown, name).get("terminated") or {})


def phase(shown: JsonObject) -> str:
    """The pod's phase."""
    return str((shown.get("status") or {}).get("phase", ""))


def ended(shown: JsonObject) -> bool:
    """Whether the pod's phase is final."""
    return phase(shown) in {"Succeeded", "Failed"}


def running(shown: JsonObject) -> bool:
    """Whether the main container runs."""
    return "running" in state_of(shown)


def condition(shown: JsonObject, kind: str) -> JsonObject:
    """The condition of a type; empty where there is none."""
    for each in (shown.get("status") or {}).get("conditions") or []:
        if each["type"] == kind:
            return dict(each)
    return {}
