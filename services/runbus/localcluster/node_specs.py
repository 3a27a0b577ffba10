"""The nodes of a cluster as data: what the option ``--node`` says of each. Pure.

``name=spot-1,cpu=4,memory=8Gi,spot=gke,nvidia.com/gpu=2,labels=pool=a;zone=b,
taints=key=value:NoSchedule;other:NoExecute``. What is simulated on one machine may be more than
the machine has.
"""

from collections.abc import Mapping

import msgspec

from runbus.localcluster.rules.names import (
    check_dns_subdomain,
    check_label_value,
    check_qualified_name,
)
from runbus.localcluster.rules.quantities import parse_quantity

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_MAX_DEVICES = 1024
# what the clouds put on spot nodes: labels, taints
SPOT: Mapping[str, tuple[Mapping[str, str], tuple[str, ...]]] = {
    "karpenter": ({"karpenter.sh/capacity-type": "spot"}, ()),
    "gke": (
        {"cloud.google.com/gke-spot": "true", "cloud.google.com/gke-provisioning": "spot"},
        ("cloud.google.com/gke-spot=true:NoSchedule",),
    ),
    "eks": ({"eks.amazonaws.com/capacityType": "SPOT"}, ()),
    "aks": (
        {"kubernetes.azure.com/scalesetpriority": "spot"},
        ("kubernetes.azure.com/scalesetpriority=spot:NoSchedule",),
    ),
    "iguazio": ({"app.iguazio.com/lifecycle": "preemptible"}, ()),
}
_PLAIN_SPOT = "karpenter"
_OF = "name, cpu, memory, pods, spot, labels, taints, or an extended resource with a / in its name"


class NodeTaint(msgspec.Struct, frozen=True):
    """One taint to register a node with."""

    key: str
    value: str
    effect: str


class NodeSpec(msgspec.Struct, frozen=True):
    """One node; None stands for what the host has."""

    name: str
    cpu: str | None = None
    memory: str | None = None
    pods: int = 110
    extended: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[NodeTaint, ...] = ()


def parse_node(text: str) -> NodeSpec:
    """Read one ``--node``; ValueError says which part is wrong, and what would be right."""
    parts: dict[str, str] = {}
    for item in text.split(","):
        key, sign, value = item.strip().partition("=")
        if not sign or not value:
            raise ValueError(f"{item!r} is not KEY=VALUE")
        if key in parts:
            raise ValueError(f"{key} is given twice")
        parts[key] = value
    name = parts.pop("name", "")
    if not name or check_dns_subdomain(name):
        raise ValueError("a node needs name=NAME, of small letters, digits, - and .")
    labels, taints = _spot(parts.pop("spot", "false"))
    labels |= _labels(parts.pop("labels", ""))
    taints += tuple(_taint(each) for each in _listed(parts.pop("taints", "")))
    cpu, memory = _quantity(parts, "cpu"), _quantity(parts, "memory")
    pods = _count("pods", parts.pop("pods", "110"))
    extended = tuple((key, str(_count(key, value))) for key, value in parts.items())
    for key, _ in extended:
        if "/" not in key or check_qualified_name(key):
            raise ValueError(f"{key} is not one of {_OF}")
    return NodeSpec(name, cpu, memory, pods, extended, tuple(sorted(labels.items())), taints)


def _spot(value: str) -> tuple[dict[str, str], tuple[NodeTaint, ...]]:
    if value == "false":
        return {}, ()
    labels, taints = SPOT.get(_PLAIN_SPOT if value == "true" else value, ({}, ()))
    if not labels:
        raise ValueError(f"spot={value}: one of true, false, {', '.join(SPOT)}")
    return dict(labels), tuple(_taint(each) for each in taints)


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(";") if each.strip()]


def _labels(text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    for each in _listed(text):
        key, sign, value = each.partition("=")
        if not sign or check_qualified_name(key) or check_label_value(value):
            raise ValueError(f"label {each!r} is not KEY=VALUE; several stand behind ;")
        labels[key] = value
    return labels


def _taint(text: str) -> NodeTaint:
    left, sign, effect = text.rpartition(":")
    key, _, value = left.partition("=")
    if not sign or effect not in _EFFECTS or check_qualified_name(key):
        known = ", ".join(_EFFECTS)
        raise ValueError(f"taint {text!r} is not KEY[=VALUE]:EFFECT (effects: {known})")
    return NodeTaint(key, value, effect)


def _quantity(parts: dict[str, str], key: str) -> str | None:
    text = parts.pop(key, None)
    if text is None:
        return None
    try:
        value = parse_quantity(text)
    except ValueError as error:
        raise ValueError(f"{key}={text} is no quantity such as 500m or 8Gi") from error
    if value <= 0:
        raise ValueError(f"{key}={text} must be more than 0")
    return text


def _count(key: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _MAX_DEVICES:
        raise ValueError(f"{key}={text} is not a whole number up to {_MAX_DEVICES}")
    return int(text)
