"""What makes a pod invalid (422), with the words of a kube-apiserver.

Rules: k8s.io/kubernetes/pkg/apis/core/validation, for the fields that matter here.
"""

from typing import Any

from runbus.localcluster.rules.causes import Causes
from runbus.localcluster.rules.container_validation import validate_containers
from runbus.localcluster.rules.names import (
    check_config_key,
    check_dns_label,
    check_dns_subdomain,
    check_label_value,
    check_qualified_name,
)
from runbus.localcluster.rules.shapes import KeyToPath, Pod, Requirement, Toleration, Volume

JsonObject = dict[str, Any]
_RESTART = ("Always", "OnFailure", "Never")
_DNS = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_NODE_OPERATORS = ("DoesNotExist", "Exists", "Gt", "In", "Lt", "NotIn")
_MAX_MODE = 0o777
_MAX_DEADLINE = 2**31 - 1


def validate_pod_spec(pod: Pod, raw: JsonObject, causes: Causes) -> None:
    """Check spec after defaults; ``raw`` is the same pod as decoded JSON."""
    spec = pod.spec
    names = _validate_volumes(spec.volumes or [], raw["spec"].get("volumes") or [], causes)
    validate_containers(spec, names, causes)
    if spec.restart_policy not in _RESTART:
        causes.unsupported("spec.restartPolicy", spec.restart_policy, _RESTART)
    dns = raw["spec"].get("dnsPolicy")
    if dns not in _DNS:
        causes.unsupported("spec.dnsPolicy", dns, _DNS)
    deadline = spec.active_deadline_seconds
    if deadline is not None and not 1 <= deadline <= _MAX_DEADLINE:
        why = f"must be between 1 and {_MAX_DEADLINE}, inclusive"
        causes.invalid("spec.activeDeadlineSeconds", deadline, why)
    _validate_placement(pod, causes)
    if spec.service_account_name:
        wrong = check_dns_subdomain(spec.service_account_name)
        causes.check("spec.serviceAccountName", spec.service_account_name, wrong)


def _validate_placement(pod: Pod, causes: Causes) -> None:
    spec = pod.spec
    for key, value in (spec.node_selector or {}).items():
        causes.check("spec.nodeSelector", key, check_qualified_name(key))
        causes.check("spec.nodeSelector", value, check_label_value(value))
    for i, toleration in enumerate(spec.tolerations or []):
        _validate_toleration(toleration, f"spec.tolerations[{i}]", causes)
    seen: set[str] = set()
    for i, gate in enumerate(spec.scheduling_gates or []):
        causes.check(f"spec.schedulingGates[{i}]", gate.name, check_qualified_name(gate.name))
        if gate.name in seen:
            causes.duplicate(f"spec.schedulingGates[{i}]", gate.name)
        seen.add(gate.name)
    if spec.scheduling_gates and spec.node_name:
        why = "cannot be set until all schedulingGates have been cleared"
        causes.forbidden("spec.nodeName", why)
    node_affinity = spec.affinity.node_affinity if spec.affinity else None
    if node_affinity is None:
        return
    required = node_affinity.required_during_scheduling_ignored_during_execution
    if required is None:
        return
    where = (
        "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
        ".nodeSelectorTerms"
    )
    if not required.node_selector_terms:
        causes.required(where, "must have at least one node selector term")
    for i, term in enumerate(required.node_selector_terms or []):
        for j, each in enumerate(term.match_expressions or []):
            _validate_requirement(each, f"{where}[{i}].matchExpressions[{j}]", causes)


def _validate_requirement(each: Requirement, where: str, causes: Causes) -> None:
    causes.check(f"{where}.key", each.key, check_qualified_name(each.key))
    values = each.values or []
    match each.operator:
        case "In" | "NotIn":
            if not values:
                why = "must be specified when `operator` is 'In' or 'NotIn'"
                causes.required(f"{where}.values", why)
        case "Exists" | "DoesNotExist":
            if values:
                why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                causes.forbidden(f"{where}.values", why)
        case "Gt" | "Lt":
            if len(values) != 1:
                why = "must be specified single value when `operator` is 'Lt' or 'Gt'"
                causes.required(f"{where}.values", why)
        case _:
            causes.unsupported(f"{where}.operator", each.operator, _NODE_OPERATORS)


def _validate_toleration(each: Toleration, where: str, causes: Causes) -> None:
    if each.key:
        causes.check(f"{where}.key", each.key, check_qualified_name(each.key))
    elif (each.operator or "Equal") != "Exists":
        why = (
            "operator must be Exists when `key` is empty, "
            'which means "match all values and all keys"'
        )
        causes.invalid(f"{where}.operator", each.operator or "", why)
    if each.toleration_seconds is not None and each.effect != "NoExecute":
        why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        causes.invalid(f"{where}.effect", each.effect or "", why)
    if (each.operator or "Equal") not in {"Equal", "Exists"}:
        causes.unsupported(f"{where}.operator", each.operator, ("Equal", "Exists"))
    if each.operator == "Exists" and each.value:
        why = "value must be empty when `operator` is 'Exists'"
        causes.invalid(f"{where}.operator", each.value, why)
    if each.effect and each.effect not in _EFFECTS:
        causes.unsupported(f"{where}.effect", each.effect, _EFFECTS)


def _validate_volumes(
    volumes: list[Volume], raw: list[JsonObject], causes: Causes
) -> frozenset[str]:
    seen: set[str] = set()
    for i, volume in enumerate(volumes):
        where = f"spec.volumes[{i}]"
        if not volume.name:
            causes.required(f"{where}.name")
        else:
            causes.check(f"{where}.name", volume.name, check_dns_label(volume.name))
        if volume.name in seen:
            causes.duplicate(f"{where}.name", volume.name)
        seen.add(volume.name)
        sources = [key for key, value in raw[i].items() if key != "name" and value is not None]
        for extra in sources[1:]:
            causes.forbidden(f"{where}.{extra}", "may not specify more than 1 volume type")
        _validate_source(volume, where, causes)
    return frozenset(seen)


def _validate_source(volume: Volume, where: str, causes: Causes) -> None:
    if volume.config_map is not None:
        if not volume.config_map.name:
            causes.required(f"{where}.configMap.name")
        _validate_items(volume.config_map.items or [], f"{where}.configMap", causes)
        _validate_mode(volume.config_map.default_mode, f"{where}.configMap.defaultMode", causes)
    if volume.secret is not None:
        if not volume.secret.secret_name:
            causes.required(f"{where}.secret.secretName")
        _validate_items(volume.secret.items or [], f"{where}.secret", causes)
        _validate_mode(volume.secret.default_mode, f"{where}.secret.defaultMode", causes)
    if volume.persistent_volume_claim is not None and not volume.persistent_volume_claim.claim_name:
        causes.required(f"{where}.persistentVolumeClaim.claimName")
    if volume.host_path is not None and not volume.host_path.path:
        causes.required(f"{where}.hostPath.path")


def _validate_mode(mode: int | None, where: str, causes: Causes) -> None:
    if mode is not None and not 0 <= mode <= _MAX_MODE:
        causes.invalid(where, mode, "must be a number between 0 and 0777 (octal), both inclusive")


def _validate_items(items: list[KeyToPath], where: str, causes: Causes) -> None:
    for i, item in enumerate(items):
        if not item.key:
            causes.required(f"{where}.items[{i}].key")
        else:
            causes.check(f"{where}.items[{i}].key", item.key, check_config_key(item.key))
        if not item.path:
            causes.required(f"{where}.items[{i}].path")
        elif item.path.startswith("/"):
            causes.invalid(f"{where}.items[{i}].path", item.path, "must be a relative path")
        elif ".." in item.path.split("/"):
            causes.invalid(f"{where}.items[{i}].path", item.path, "must not contain '..'")
        _validate_mode(item.mode, f"{where}.items[{i}].mode", causes)
