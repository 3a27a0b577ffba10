"""What a kube-apiserver fills in when an object is stored.

Rules: k8s.io/kubernetes/pkg/apis/core/v1/defaults.go and the admission plugins that every cluster
runs (DefaultTolerationSeconds, Priority, ServiceAccount). Gives new objects, changes none.
"""

import base64
from typing import Any

from runbus.localcluster.rules.names import parse_image
from runbus.localcluster.rules.quantities import parse_quantity
from runbus.localcluster.rules.resources import CLAIMS, NAMESPACES, NODES, PODS, Resource

JsonObject = dict[str, Any]
_NO_EXECUTE_S = 300
_KEYS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_COMPUTE = ("cpu", "memory")
_NODE_INFO = (
    "machineID",
    "systemUUID",
    "bootID",
    "kernelVersion",
    "osImage",
    "containerRuntimeVersion",
    "kubeletVersion",
    "kubeProxyVersion",
    "operatingSystem",
    "architecture",
)


def with_defaults(resource: Resource, obj: JsonObject) -> JsonObject:
    """Complete an object of any kind; those without rules come back as they are."""
    if resource is PODS:
        return with_pod_defaults(obj)
    if resource is NAMESPACES:
        return {
            **obj,
            "spec": {"finalizers": ["kubernetes"], **(obj.get("spec") or {})},
            "status": {"phase": "Active", **(obj.get("status") or {})},
        }
    if resource is NODES:
        return _with_node_defaults(obj)
    if resource is CLAIMS:
        spec = {"volumeMode": "Filesystem", **(obj.get("spec") or {})}
        return {**obj, "spec": spec, "status": {"phase": "Pending", **(obj.get("status") or {})}}
    if resource.kind == "Secret":
        return _with_secret_defaults(obj)
    if resource.kind == "PriorityClass":
        said = {
            key: value for key, value in obj.items() if (key, value) != ("globalDefault", False)
        }
        return {"preemptionPolicy": "PreemptLowerPriority", **said}
    if resource.kind == "Lease":
        return {"spec": {}, **obj}
    if resource.kind == "Event":
        return {"source": {}, "firstTimestamp": None, "lastTimestamp": None, **obj}
    return obj


def with_pod_defaults(pod: JsonObject) -> JsonObject:
    """Complete spec; status is set by ``new_pod_status`` at creation."""
    spec: JsonObject = dict(pod.get("spec") or {})
    for key in ("containers", "initContainers"):
        if isinstance(spec.get(key), list):
            spec[key] = [_with_container_defaults(each) for each in spec[key]]
    if isinstance(spec.get("volumes"), list):
        spec["volumes"] = [_with_volume_defaults(each) for each in spec["volumes"]]
    for key, value in (
        ("restartPolicy", "Always"),
        ("terminationGracePeriodSeconds", 30),
        ("dnsPolicy", "ClusterFirst"),
        ("securityContext", {}),
        ("schedulerName", "default-scheduler"),
        ("enableServiceLinks", True),
    ):
        if spec.get(key) is None:
            spec[key] = value
    account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = account
    return {**pod, "spec": spec}


def with_default_tolerations(spec: JsonObject) -> JsonObject:
    """Tolerate a node that is lost for five minutes, unless the pod says otherwise."""
    tolerations: list[JsonObject] = list(spec.get("tolerations") or [])
    for key in _KEYS:
        if not any(_covers(each, key) for each in tolerations):
            tolerations.append(
                {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": _NO_EXECUTE_S,
                }
            )
    return {**spec, "tolerations": tolerations}


def _covers(toleration: JsonObject, key: str) -> bool:
    effect = toleration.get("effect") or "NoExecute"
    return (toleration.get("key") or key) == key and effect == "NoExecute"


def new_pod_status(pod: JsonObject, now: str) -> JsonObject:
    """The status a pod is born with; ``now`` is an RFC 3339 time."""
    status: JsonObject = {"phase": "Pending"}
    spec = pod["spec"]
    if spec.get("schedulingGates"):
        status["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": None,
                "lastTransitionTime": now,
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
        ]
    status["qosClass"] = qos_class(spec)
    return status


_STATUS_LISTS = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
_STATE_TIMES = {"running": ("startedAt",), "terminated": ("startedAt", "finishedAt")}


def with_status_defaults(resource: Resource, obj: JsonObject) -> JsonObject:
    """Complete a status that was written: times that are not set are null, as Go writes them."""
    if resource is not PODS:
        return obj
    status = dict(obj["status"])
    for key in _STATUS_LISTS:
        if isinstance(status.get(key), list):
            status[key] = [_with_container_status_defaults(each) for each in status[key]]
    if isinstance(status.get("conditions"), list):
        times = {"lastProbeTime": None, "lastTransitionTime": None}
        status["conditions"] = [
            {**times, **each} if isinstance(each, dict) else each for each in status["conditions"]
        ]
    if status.get("podIP") and not status.get("podIPs"):
        status["podIPs"] = [{"ip": status["podIP"]}]
    if status.get("podIPs") and not status.get("podIP"):
        status["podIP"] = status["podIPs"][0].get("ip")
    return {**obj, "status": status}


def _with_container_status_defaults(status: Any) -> Any:
    if not isinstance(status, dict):
        return status
    done: JsonObject = {"lastState": {}, **status}
    for key in ("state", "lastState"):
        state = done.get(key)
        for phase, times in _STATE_TIMES.items():
            if isinstance(state, dict) and isinstance(state.get(phase), dict):
                state = done[key] = {**state, phase: {**dict.fromkeys(times), **state[phase]}}
    return done


def qos_class(spec: JsonObject) -> str:
    """Guaranteed, Burstable or BestEffort, by the CPU and memory of all containers."""
    guaranteed, any_set = True, False
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        resources = container.get("resources") or {}
        requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
        for name in _COMPUTE:
            request, limit = requests.get(name), limits.get(name)
            any_set = any_set or _positive(request) or _positive(limit)
            same = _positive(limit) and request is not None
            if not same or parse_quantity(str(request)) != parse_quantity(str(limit)):
                guaranteed = False
    if not any_set:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _positive(quantity: Any) -> bool:
    return quantity is not None and parse_quantity(str(quantity)) > 0


def _with_container_defaults(container: Any) -> Any:
    if not isinstance(container, dict):
        return container
    done: JsonObject = {
        **container,
        "resources": _with_default_requests(container.get("resources") or {}),
    }
    if isinstance(done.get("ports"), list):
        done["ports"] = [
            {"protocol": "TCP", **each} if isinstance(each, dict) else each
            for each in done["ports"]
        ]
    done.setdefault("terminationMessagePath", "/dev/termination-log")
    done.setdefault("terminationMessagePolicy", "File")
    if not done.get("imagePullPolicy"):
        parsed = parse_image(str(done.get("image") or ""))
        floating = parsed is not None and parsed[1] in {"", "latest"} and not parsed[2]
        done["imagePullPolicy"] = "Always" if floating else "IfNotPresent"
    return done


def _with_default_requests(resources: JsonObject) -> JsonObject:
    limits = resources.get("limits")
    if not isinstance(limits, dict) or not limits:
        return resources
    requests = resources.get("requests") or {}
    missing = {name: limit for name, limit in limits.items() if name not in requests}
    return {**resources, "requests": {**requests, **missing}} if missing else resources


def _with_volume_defaults(volume: Any) -> Any:
    if not isinstance(volume, dict):
        return volume
    for source in ("configMap", "secret", "downwardAPI", "projected"):
        value = volume.get(source)
        if isinstance(value, dict) and value.get("defaultMode") is None:
            return {**volume, source: {**value, "defaultMode": 420}}
    if not any(value is not None for key, value in volume.items() if key != "name"):
        return {**volume, "emptyDir": {}}
    return volume


def _with_node_defaults(node: JsonObject) -> JsonObject:
    status = dict(node.get("status") or {})
    status.setdefault("daemonEndpoints", {"kubeletEndpoint": {"Port": 0}})
    info = dict.fromkeys(_NODE_INFO, "")
    status["nodeInfo"] = {**info, **(status.get("nodeInfo") or {})}
    return {**node, "spec": node.get("spec") or {}, "status": status}


def _with_secret_defaults(secret: JsonObject) -> JsonObject:
    done = {"type": "Opaque", **secret}
    text = done.pop("stringData", None)
    if isinstance(text, dict):
        encoded = {
            key: base64.b64encode(str(value).encode()).decode() for key, value in text.items()
        }
        done["data"] = {**(done.get("data") or {}), **encoded}
    return done
