"""The schema of the chart's values: the settings of each service are those of its own Struct. Pure.

Unknown keys are refused everywhere, so that a misspelt one never is a setting that nobody reads.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from runbus.aborter.config import AborterConfig
from runbus.contracts.transitions import Publisher
from runbus.pod_launcher.config import LauncherConfig
from runbus.runtime.config import ServiceConfig
from runbus.scheduler.config import SchedulerConfig
from runbus.spec_validator.config import ValidatorConfig
from runbus.state_watcher.config import WatcherConfig
from runbus_deploy.accounts import GENERATED
from runbus_deploy.chart_data import HELD_BY_LEASE

CONFIGS: dict[Publisher, type[ServiceConfig]] = {
    Publisher.SPEC_VALIDATOR: ValidatorConfig,
    Publisher.SCHEDULER: SchedulerConfig,
    Publisher.POD_LAUNCHER: LauncherConfig,
    Publisher.STATE_WATCHER: WatcherConfig,
    Publisher.ABORTER: AborterConfig,
}
# The chart has values of its own for these, or knows them.
BY_THE_CHART = frozenset(
    {
        *("nats_url", "nats_user", "nats_password_file"),
        *("nats_ca_file", "nats_cert_file", "nats_key_file"),
        *("health_host", "health_port", "instance"),
        *("namespaces", "defaults_file"),
    }
)

_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_LIST = {"type": "array", "items": {"type": "object"}}
_FREE = {"type": "object"}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_LABEL = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_QUANTITY = {"type": ["string", "number"]}
_AMOUNTS = {"type": "object", "additionalProperties": _QUANTITY}


def values_schema() -> str:
    """Return `values.schema.json`."""
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart runbus",
        "description": GENERATED,
        **_object(
            nameOverride=_TEXT,
            fullnameOverride=_TEXT,
            global_=_FREE,
            image=_image(),
            clusterWide=_FLAG,
            clusterReads=_FLAG,
            namespaces={"type": "array", "items": _LABEL, "uniqueItems": True},
            defaultsFile=_TEXT,
            nats=_nats(),
            init=_object(
                enabled=_FLAG,
                replicas={"enum": [1, 3, 5]},
                resources=_resources(),
                backoffLimit=_count(0),
            ),
            networkPolicy=_network_policy(),
            tracing=_tracing(),
            podDisruptionBudget=_object(enabled=_FLAG),
            serviceMonitor=_object(enabled=_FLAG, labels=_TEXTS, interval=_TEXT),
            keda=_keda(),
            services={
                **_object(**{each.value: _service(each) for each in Publisher}),
                "required": [each.value for each in Publisher],
            },
        ),
    }
    # Cluster-wide, a list of namespaces would be read by nobody.
    schema["if"] = {"properties": {"clusterWide": {"const": True}}}
    schema["then"] = {"properties": {"namespaces": {"maxItems": 0}}}
    return json.dumps(schema, indent=2) + "\n"


def settings_of(publisher: Publisher) -> dict[str, Any]:
    """Return the schema of each setting of a service that the chart does not set by itself."""
    config = CONFIGS[publisher]
    found = msgspec.json.schema(config)["$defs"][config.__name__]["properties"]
    return {name: schema for name, schema in found.items() if name not in BY_THE_CHART}


def _service(publisher: Publisher) -> dict[str, Any]:
    scales = {} if publisher in HELD_BY_LEASE else {"keda": _service_keda()}
    return _object(
        replicas=_count(0),
        settings=_object(**settings_of(publisher)),
        resources=_resources(),
        nodeSelector=_TEXTS,
        tolerations=_LIST,
        affinity=_FREE,
        topologySpreadConstraints=_LIST,
        priorityClassName=_TEXT,
        podLabels=_TEXTS,
        podAnnotations=_TEXTS,
        extraVolumes=_LIST,
        extraVolumeMounts=_LIST,
        extraEgress=_LIST,
        **scales,
    )


def _image() -> dict[str, Any]:
    return _object(
        repository={"type": "string", "minLength": 1},
        tag=_TEXT,
        digest={"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
        pullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
        pullSecrets={"type": "array", "items": _object(name=_TEXT)},
    )


def _nats() -> dict[str, Any]:
    return _object(
        enabled=_FLAG,
        url={"type": "string", "pattern": "^(tls|nats)://[^@]+$"},
        auth=_object(enabled=_FLAG, existingSecret=_TEXT),
        tls=_object(existingSecret=_TEXT, clientCertificate=_FLAG),
        tenants={"type": "array", "items": _LABEL, "uniqueItems": True},
        monitoring=_TEXT,
        account=_TEXT,
        image={"type": "string", "minLength": 1},
        replicas={"enum": [1, 3, 5]},
        storage=_object(size=_QUANTITY, className=_TEXT),
        resources=_resources(),
    )


def _network_policy() -> dict[str, Any]:
    ports = {"type": "array", "items": _PORT, "minItems": 1}
    return _object(
        enabled=_FLAG,
        natsPorts=ports,
        dnsPorts=ports,
        apiServerPorts=ports,
        tracingPorts=ports,
        apiServer=_LIST,
        metricsFrom=_LIST,
        kedaFrom={**_LIST, "minItems": 1},
    )


def _tracing() -> dict[str, Any]:
    return _object(
        endpoint={"type": "string", "pattern": "^(https?://.+)?$"},
        environment={
            "type": "object",
            "propertyNames": {"pattern": "^OTEL_[A-Z_]+$"},
            "additionalProperties": {"type": "string"},
        },
    )


def _keda() -> dict[str, Any]:
    return _object(enabled=_FLAG, pollingInterval=_count(1), cooldownPeriod=_count(0))


def _service_keda() -> dict[str, Any]:
    return _object(
        enabled=_FLAG, minReplicas=_count(0), maxReplicas=_count(1), lagThreshold=_count(1)
    )


def _resources() -> dict[str, Any]:
    return _object(requests=_AMOUNTS, limits=_AMOUNTS)


def _count(least: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least}


def _object(**properties: Any) -> dict[str, Any]:
    named = {name.rstrip("_"): schema for name, schema in properties.items()}
    return {"type": "object", "additionalProperties": False, "properties": named}
