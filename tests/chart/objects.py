"""The chart's values under test, and ways to find an object among those rendered."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

import helm_python
import pytest

from runbus_deploy import rendered as chart
from runbus_deploy.rendered import OWN_BUS

SERVICES = ("spec-validator", "scheduler", "pod-launcher", "state-watcher", "aborter")
OWN_NATS: dict[str, Any] = {"nats": {"enabled": True}}
EVERYTHING: dict[str, Any] = {
    "nats": {
        "enabled": True,
        "replicas": 3,
        "tenants": ["nlp", "cv"],
        "storage": {"className": "ssd"},
    },
    "init": {"replicas": 3},
    "namespaces": ["nlp", "cv"],
    "defaultsFile": "limits: {concurrent_runs: 9}\n",
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "keda": {"enabled": True},
    "tracing": {
        "endpoint": "http://collector:4318",
        "environment": {"OTEL_TRACES_SAMPLER": "always_on"},
    },
    "services": {
        "spec-validator": {
            "settings": {
                "function_sources": ["hub=https://a", "team=/srv"],
                "in_hand_max": 1000000,
            },
            "nodeSelector": {"a": "b"},
            "tolerations": [{"key": "a", "operator": "Exists"}],
            "priorityClassName": "high",
            "podAnnotations": {"a": "b"},
            "podLabels": {"c": "d"},
            "extraVolumes": [{"name": "x", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "x", "mountPath": "/x"}],
            "extraEgress": [{"ports": [{"port": 443}]}],
        },
        "aborter": {"settings": {"drain_s": 12.5}},
    },
}
VARIANTS: dict[str, dict[str, Any]] = {
    "your own bus": OWN_BUS,
    "your own bus, no users": {"nats": {"auth": {"enabled": False}}},
    "your own bus, over TLS": {
        "nats": {
            "url": "tls://nats:4222",
            "auth": {"existingSecret": "runbus-nats"},
            "tls": {"existingSecret": "ca", "clientCertificate": True},
        }
    },
    "cluster-wide": {**OWN_BUS, "clusterWide": True},
    "the chart's bus": OWN_NATS,
    "the chart's bus, no users": {"nats": {"enabled": True, "auth": {"enabled": False}}},
    "everything": EVERYTHING,
    "least": {
        **OWN_BUS,
        "clusterReads": False,
        "networkPolicy": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "init": {"enabled": False},
    },
}
CUSTOM = frozenset({"ServiceMonitor", "ScaledObject"})
Objects = list[dict[str, Any]]

each_variant = pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS.keys())
each_service = pytest.mark.parametrize("service", SERVICES)


def rendered(values: dict[str, Any]) -> Objects:
    """Return every object under some values; the same values are rendered once."""
    return _rendered(json.dumps(values))


@functools.cache
def _rendered(values: str) -> Objects:
    return chart.rendered(json.loads(values))


def of_kind(objects: Objects, *kinds: str) -> Objects:
    return [each for each in objects if each["kind"] in kinds]


def named(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    (found,) = [each for each in of_kind(objects, kind) if each["metadata"]["name"] == name]
    return found


def pods(objects: Objects) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in of_kind(objects, "Deployment", "StatefulSet", "Job"):
        yield each["metadata"]["name"], each["spec"]["template"]["spec"]


def environment(objects: Objects, service: str) -> dict[str, str]:
    spec = named(objects, "Deployment", f"runbus-{service}")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    return {each["name"]: each.get("value", "") for each in container["env"]}


def refused(values: dict[str, Any]) -> str:
    with pytest.raises(helm_python.HelmError) as caught:
        rendered(values)
    return str(caught.value)
