"""The columns of each kind's table, as k8s.io/kubernetes/pkg/printers has them. Pure."""

from collections.abc import Callable
from typing import Any

from runbus.localcluster.api.ages import age_of, ago
from runbus.localcluster.api.pod_columns import pod_cells
from runbus.localcluster.rules.resources import (
    CLAIMS,
    CONFIG_MAPS,
    EVENTS,
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
    PRIORITY_CLASSES,
    QUOTAS,
    SECRETS,
    SERVICE_ACCOUNTS,
    Resource,
)

JsonObject = dict[str, Any]
Column = tuple[str, str, str, int]
Cells = Callable[[JsonObject, float], list[Any]]
_NONE, _UNKNOWN = "<none>", "<unknown>"
_ROLE = "node-role.kubernetes.io/"
_NAME: Column = ("Name", "string", "name", 0)


def columns_of(resource: Resource) -> tuple[tuple[Column, ...], Cells]:
    """Columns and cells of a kind; those without columns of their own show name and age."""
    return _KINDS.get(resource, ((_NAME, _text("Age")), _plain))


def _text(name: str, priority: int = 0) -> Column:
    return (name, "string", "", priority)


def _number(name: str) -> Column:
    return (name, "integer", "", 0)


def _plain(obj: JsonObject, now_s: float) -> list[Any]:
    return [obj["metadata"]["name"], age_of(obj, now_s)]


def _node(node: JsonObject, now_s: float) -> list[Any]:
    status: JsonObject = node.get("status") or {}
    conditions = {each.get("type"): each for each in status.get("conditions") or []}
    ready = (conditions.get("Ready") or {}).get("status")
    shown = {"True": "Ready", None: "Unknown"}.get(ready, "NotReady")
    if (node.get("spec") or {}).get("unschedulable"):
        shown += ",SchedulingDisabled"
    info: JsonObject = status.get("nodeInfo") or {}
    addresses = {each.get("type"): each.get("address") for each in status.get("addresses") or []}
    labels = node["metadata"].get("labels") or {}
    roles = sorted(key.removeprefix(_ROLE) for key in labels if key.startswith(_ROLE))
    return [
        node["metadata"]["name"],
        shown,
        ",".join(roles) or _NONE,
        age_of(node, now_s),
        info.get("kubeletVersion") or "",
        addresses.get("InternalIP") or _NONE,
        addresses.get("ExternalIP") or _NONE,
        info.get("osImage") or _UNKNOWN,
        info.get("kernelVersion") or _UNKNOWN,
        info.get("containerRuntimeVersion") or _UNKNOWN,
    ]


def _namespace(namespace: JsonObject, now_s: float) -> list[Any]:
    phase = (namespace.get("status") or {}).get("phase")
    return [namespace["metadata"]["name"], phase, age_of(namespace, now_s)]


def _event(event: JsonObject, now_s: float) -> list[Any]:
    about = event.get("involvedObject") or {}
    source = event.get("source") or {}
    made = event["metadata"]["creationTimestamp"]
    seen = event.get("lastTimestamp") or event.get("eventTime") or made
    first = event.get("firstTimestamp") or event.get("eventTime") or made
    host = source.get("host")
    component = source.get("component") or event.get("reportingComponent") or ""
    return [
        ago(seen, now_s),
        event.get("type"),
        event.get("reason"),
        f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}",
        about.get("fieldPath") or "",
        f"{component}, {host}" if host else component,
        str(event.get("message") or "").strip(),
        ago(first, now_s),
        event.get("count") or 1,
        event["metadata"]["name"],
    ]


def _config_map(obj: JsonObject, now_s: float) -> list[Any]:
    count = len(obj.get("data") or {}) + len(obj.get("binaryData") or {})
    return [obj["metadata"]["name"], count, age_of(obj, now_s)]


def _secret(obj: JsonObject, now_s: float) -> list[Any]:
    return [
        obj["metadata"]["name"],
        obj.get("type"),
        len(obj.get("data") or {}),
        age_of(obj, now_s),
    ]


def _account(obj: JsonObject, now_s: float) -> list[Any]:
    return [obj["metadata"]["name"], len(obj.get("secrets") or []), age_of(obj, now_s)]


def _priority_class(obj: JsonObject, now_s: float) -> list[Any]:
    return [
        obj["metadata"]["name"],
        obj.get("value") or 0,
        bool(obj.get("globalDefault")),
        age_of(obj, now_s),
        obj.get("preemptionPolicy") or "",
    ]


def _quota(obj: JsonObject, now_s: float) -> list[Any]:
    status = obj.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    shown = {name: f"{name}: {used.get(name, 0)}/{hard[name]}" for name in sorted(hard)}
    limits = [text for name, text in shown.items() if name.startswith("limits.")]
    requests = [text for name, text in shown.items() if not name.startswith("limits.")]
    name = obj["metadata"]["name"]
    return [name, ", ".join(requests), ", ".join(limits), age_of(obj, now_s)]


def _claim(obj: JsonObject, now_s: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    modes = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX"}
    given = status.get("accessModes") or []
    return [
        obj["metadata"]["name"],
        status.get("phase") or "",
        spec.get("volumeName") or "",
        (status.get("capacity") or {}).get("storage") or "",
        ",".join(modes.get(each, str(each)) for each in given),
        spec.get("storageClassName") or "",
        spec.get("volumeAttributesClassName") or "<unset>",
        age_of(obj, now_s),
        spec.get("volumeMode") or "<unset>",
    ]


def _lease(obj: JsonObject, now_s: float) -> list[Any]:
    holder = (obj.get("spec") or {}).get("holderIdentity") or ""
    return [obj["metadata"]["name"], holder, age_of(obj, now_s)]


_AGE = _text("Age")
_KINDS: dict[Resource, tuple[tuple[Column, ...], Cells]] = {
    PODS: (
        (
            _NAME,
            _text("Ready"),
            _text("Status"),
            _text("Restarts"),
            _AGE,
            _text("IP", 1),
            _text("Node", 1),
            _text("Nominated Node", 1),
            _text("Readiness Gates", 1),
        ),
        pod_cells,
    ),
    NODES: (
        (
            _NAME,
            _text("Status"),
            _text("Roles"),
            _AGE,
            _text("Version"),
            _text("Internal-IP", 1),
            _text("External-IP", 1),
            _text("OS-Image", 1),
            _text("Kernel-Version", 1),
            _text("Container-Runtime", 1),
        ),
        _node,
    ),
    NAMESPACES: ((_NAME, _text("Status"), _AGE), _namespace),
    EVENTS: (
        (
            _text("Last Seen"),
            _text("Type"),
            _text("Reason"),
            _text("Object"),
            _text("Subobject", 1),
            _text("Source", 1),
            _text("Message"),
            _text("First Seen", 1),
            ("Count", "integer", "", 1),
            ("Name", "string", "name", 1),
        ),
        _event,
    ),
    CONFIG_MAPS: ((_NAME, _number("Data"), _AGE), _config_map),
    SECRETS: ((_NAME, _text("Type"), _number("Data"), _AGE), _secret),
    SERVICE_ACCOUNTS: ((_NAME, _number("Secrets"), _AGE), _account),
    PRIORITY_CLASSES: (
        (
            _NAME,
            _number("Value"),
            ("Global-Default", "boolean", "", 0),
            _AGE,
            _text("PreemptionPolicy"),
        ),
        _priority_class,
    ),
    QUOTAS: ((_NAME, _text("Request"), _text("Limit"), _AGE), _quota),
    CLAIMS: (
        (
            _NAME,
            _text("Status"),
            _text("Volume"),
            _text("Capacity"),
            _text("Access Modes"),
            _text("StorageClass"),
            _text("VolumeAttributesClass"),
            _AGE,
            _text("VolumeMode", 1),
        ),
        _claim,
    ),
    LEASES: ((_NAME, _text("Holder"), _AGE), _lease),
}
