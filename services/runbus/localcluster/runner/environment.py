"""A container's environment and argument vector, as a kubelet builds them. Pure.

What the container refers to (secrets, config maps) comes in already fetched; what is missing
comes out as ``ConfigProblem`` with the kubelet's words (reason CreateContainerConfigError).
Rules: k8s.io/kubernetes/pkg/kubelet/kubelet_pods.go, third_party/forked/golang/expansion.
"""

import re
from collections.abc import Mapping
from fractions import Fraction

import msgspec

from runbus.localcluster.rules.quantities import parse_quantity
from runbus.localcluster.rules.shapes import (
    Container,
    EnvSource,
    KeySelector,
    Pod,
    ResourceFieldSelector,
)

_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")
_MAP_FIELD = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")


class ConfigProblem(Exception):  # noqa: N818 - a state of the container, shown as its reason
    """The container cannot be created from its configuration yet."""


class Sources(msgspec.Struct, frozen=True):
    """The decoded data of what a pod refers to, by name; None where it does not exist."""

    secrets: Mapping[str, Mapping[str, str] | None]
    config_maps: Mapping[str, Mapping[str, str] | None]


class Facts(msgspec.Struct, frozen=True):
    """What the node adds: addresses and allocatable (for resource fields without a limit)."""

    pod_ip: str
    host_ip: str
    allocatable: Mapping[str, Fraction]


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by values; ``$$`` is a dollar, an unknown name stays as it is."""

    def replaced(match: re.Match[str]) -> str:
        if match.group(1) == "$":
            return "$"
        return values.get(match.group(2), match.group(0))

    return _REFERENCE.sub(replaced, text)


def needed_sources(container: Container) -> tuple[set[str], set[str]]:
    """The names of secrets and config maps whose data the environment needs."""
    secrets: set[str] = set()
    config_maps: set[str] = set()
    for each in container.env_from or ():
        if each.secret_ref:
            secrets.add(each.secret_ref.name)
        if each.config_map_ref:
            config_maps.add(each.config_map_ref.name)
    for variable in container.env or ():
        source = variable.value_from
        if source and source.secret_key_ref:
            secrets.add(source.secret_key_ref.name)
        if source and source.config_map_key_ref:
            config_maps.add(source.config_map_key_ref.name)
    return secrets, config_maps


def build_environment(
    pod: Pod, container: Container, sources: Sources, facts: Facts
) -> dict[str, str]:
    """The variables that the pod asks for, in order; raises ConfigProblem."""
    values = _from_sources(container, sources)
    for variable in container.env or ():
        if variable.value_from is None:
            values[variable.name] = expand(variable.value or "", values)
            continue
        found = _from_source(pod, container, variable.value_from, sources, facts)
        if found is not None:
            values[variable.name] = found
    return values


def _from_sources(container: Container, sources: Sources) -> dict[str, str]:
    values: dict[str, str] = {}
    for each in container.env_from or ():
        reference = each.config_map_ref or each.secret_ref
        if reference is None:
            continue
        kind = "configmap" if each.config_map_ref else "secret"
        known = sources.config_maps if each.config_map_ref else sources.secrets
        data = known.get(reference.name)
        if data is None:
            if reference.optional:
                continue
            raise ConfigProblem(f'{kind} "{reference.name}" not found')
        values.update({f"{each.prefix or ''}{key}": value for key, value in data.items()})
    return values


def _from_source(
    pod: Pod, container: Container, source: EnvSource, sources: Sources, facts: Facts
) -> str | None:
    if source.field_ref is not None:
        return field_value(pod, source.field_ref.field_path, facts)
    if source.resource_field_ref is not None:
        return _resource_value(pod, container, source.resource_field_ref, facts)
    if source.secret_key_ref is not None:
        known = sources.secrets
        return _key_value(pod, source.secret_key_ref, known, ("secret", "Secret"))
    if source.config_map_key_ref is not None:
        known = sources.config_maps
        return _key_value(pod, source.config_map_key_ref, known, ("configmap", "ConfigMap"))
    return ""


def _key_value(
    pod: Pod,
    selector: KeySelector,
    known: Mapping[str, Mapping[str, str] | None],
    kinds: tuple[str, str],
) -> str | None:
    data = known.get(selector.name)
    if data is not None and selector.key in data:
        return data[selector.key]
    if selector.optional:
        return None
    if data is None:
        raise ConfigProblem(f'{kinds[0]} "{selector.name}" not found')
    where = f"{kinds[1]} {pod.metadata.namespace}/{selector.name}"
    raise ConfigProblem(f"couldn't find key {selector.key} in {where}")


def field_value(pod: Pod, path: str, facts: Facts) -> str:
    """The value of a downward API field; "" where the pod has none."""
    match = _MAP_FIELD.fullmatch(path)
    if match:
        block = pod.metadata.labels if match.group(1) == "labels" else pod.metadata.annotations
        return (block or {}).get(match.group(2), "")
    known = {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
        "spec.nodeName": pod.spec.node_name or "",
        "spec.serviceAccountName": pod.spec.service_account_name or "",
        "status.podIP": facts.pod_ip,
        "status.podIPs": facts.pod_ip,
        "status.hostIP": facts.host_ip,
        "status.hostIPs": facts.host_ip,
    }
    if path not in known:
        raise ConfigProblem(f"unsupported fieldPath: {path}")
    return known[path]


def _resource_value(pod: Pod, own: Container, selector: ResourceFieldSelector, facts: Facts) -> str:
    wanted = selector.container_name or own.name
    every = [own, *(pod.spec.init_containers or ()), *(pod.spec.containers or ())]
    container = next((each for each in every if each.name == wanted), None)
    if container is None:
        raise ConfigProblem(f"container {wanted} not found")
    block, _, name = selector.resource.partition(".")
    resources = container.resources
    given = (resources.limits if block == "limits" else resources.requests) if resources else None
    text = (given or {}).get(name)
    value = parse_quantity(str(text)) if text is not None else Fraction(0)
    if text is None and block == "limits":
        value = facts.allocatable.get(name, Fraction(0))
    divisor = parse_quantity(str(selector.divisor or "1")) or Fraction(1)
    return str(-(-value // divisor))


def argument_vector(container: Container, values: Mapping[str, str]) -> list[str]:
    """Join command and args, ``$(VAR)`` expanded; empty where there is no program."""
    return [expand(each, values) for each in [*(container.command or ()), *(container.args or ())]]
