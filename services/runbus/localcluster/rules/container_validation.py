"""What makes a pod's containers invalid (422), with the words of a kube-apiserver."""

from fractions import Fraction

from runbus.localcluster.rules.causes import Causes
from runbus.localcluster.rules.names import check_dns_label, check_env_name, check_qualified_name
from runbus.localcluster.rules.quantities import parse_quantity
from runbus.localcluster.rules.shapes import Container, EnvVar, PodSpec, Quantities, Requirements

_PULL = ("Always", "IfNotPresent", "Never")
_INTEGER_ONLY = "must be an integer"
_NATIVE = frozenset(("cpu", "memory", "ephemeral-storage"))
_SOURCES = ("field_ref", "secret_key_ref", "config_map_key_ref", "resource_field_ref")
_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)


def validate_containers(spec: PodSpec, volumes: frozenset[str], causes: Causes) -> None:
    """Check init containers and containers; ``volumes`` are the names that may be mounted."""
    if not spec.containers:
        causes.required("spec.containers")
    seen: set[str] = set()
    for kind, containers in (
        ("spec.containers", spec.containers),
        ("spec.initContainers", spec.init_containers),
    ):
        for i, container in enumerate(containers or []):
            where = f"{kind}[{i}]"
            _validate_container(container, where, volumes, causes)
            if container.name and container.name in seen:
                causes.duplicate(f"{where}.name", container.name)
            seen.add(container.name)


def _validate_container(
    container: Container, where: str, volumes: frozenset[str], causes: Causes
) -> None:
    if not container.name:
        causes.required(f"{where}.name")
    else:
        causes.check(f"{where}.name", container.name, check_dns_label(container.name))
    if not container.image:
        causes.required(f"{where}.image")
    elif container.image != container.image.strip():
        why = "must not have leading or trailing whitespace"
        causes.invalid(f"{where}.image", container.image, why)
    if container.image_pull_policy not in _PULL:
        causes.unsupported(f"{where}.imagePullPolicy", container.image_pull_policy, _PULL)
    for i, variable in enumerate(container.env or []):
        _validate_variable(variable, f"{where}.env[{i}]", causes)
    _validate_mounts(container, where, volumes, causes)
    _validate_resources(container.resources or Requirements(), f"{where}.resources", causes)


def _validate_variable(variable: EnvVar, where: str, causes: Causes) -> None:
    if not variable.name:
        causes.required(f"{where}.name")
    else:
        causes.check(f"{where}.name", variable.name, check_env_name(variable.name))
    source = variable.value_from
    if source is None:
        return
    count = sum(getattr(source, each) is not None for each in _SOURCES)
    if count != 1:
        why = (
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or "
            "`secretKeyRef`"
            if count == 0
            else "may not have more than one field specified at a time"
        )
        causes.invalid(f"{where}.valueFrom", "", why)
    elif variable.value:
        causes.invalid(f"{where}.valueFrom", "", "may not be specified when `value` is not empty")
    for name in ("secret_key_ref", "config_map_key_ref"):
        selector = getattr(source, name)
        shown = "secretKeyRef" if name.startswith("secret") else "configMapKeyRef"
        if selector is not None and not selector.key:
            causes.required(f"{where}.valueFrom.{shown}.key")
    if source.field_ref is not None:
        _validate_field(source.field_ref.field_path, f"{where}.valueFrom.fieldRef", causes)


def _validate_field(path: str, where: str, causes: Causes) -> None:
    if not path:
        causes.required(f"{where}.fieldPath")
    elif path.startswith(("metadata.labels['", "metadata.annotations['")) and path.endswith("']"):
        return
    elif path not in _FIELDS:
        causes.unsupported(f"{where}.fieldPath", path, _FIELDS)


def _validate_mounts(
    container: Container, where: str, volumes: frozenset[str], causes: Causes
) -> None:
    paths: set[str] = set()
    for i, mount in enumerate(container.volume_mounts or []):
        here = f"{where}.volumeMounts[{i}]"
        if not mount.name:
            causes.required(f"{here}.name")
        elif mount.name not in volumes:
            causes.not_found(f"{here}.name", mount.name)
        if not mount.mount_path:
            causes.required(f"{here}.mountPath")
        elif mount.mount_path in paths:
            causes.invalid(f"{here}.mountPath", mount.mount_path, "must be unique")
        paths.add(mount.mount_path)
        if mount.sub_path:
            if mount.sub_path.startswith("/"):
                causes.invalid(f"{here}.subPath", mount.sub_path, "must be a relative path")
            elif ".." in mount.sub_path.split("/"):
                causes.invalid(f"{here}.subPath", mount.sub_path, "must not contain '..'")


def _validate_resources(resources: Requirements, where: str, causes: Causes) -> None:
    limits = _validate_quantities(resources.limits or {}, f"{where}.limits", causes)
    requests = _validate_quantities(resources.requests or {}, f"{where}.requests", causes)
    for name in requests:
        if name not in limits:
            if _extended(name):
                why = "Limit must be set for non overcommitable resources"
                causes.required(f"{where}.limits", why)
            continue
        given, limit = str((resources.requests or {})[name]), str((resources.limits or {})[name])
        if _extended(name) and requests[name] != limits[name]:
            why = f"must be equal to {name} limit of {limit}"
            causes.invalid(f"{where}.requests", given, why)
        elif requests[name] > limits[name]:
            why = f"must be less than or equal to {name} limit of {limit}"
            causes.invalid(f"{where}.requests", given, why)


def _extended(name: str) -> bool:
    return name not in _NATIVE and not name.startswith("hugepages-")


def _validate_quantities(given: Quantities, where: str, causes: Causes) -> dict[str, Fraction]:
    read: dict[str, Fraction] = {}
    for name, text in given.items():
        causes.check(f"{where}[{name}]", name, check_qualified_name(name))
        if _extended(name) and "/" not in name:
            causes.invalid(
                f"{where}[{name}]", name, "must be a standard resource type or fully qualified"
            )
        value = parse_quantity(str(text))  # parsed before: the request was refused otherwise
        if value < 0:
            causes.invalid(f"{where}[{name}]", str(text), "must be greater than or equal to 0")
        elif _extended(name) and value.denominator != 1:
            causes.invalid(f"{where}[{name}]", str(text), _INTEGER_ONLY)
        read[name] = value
    return read
