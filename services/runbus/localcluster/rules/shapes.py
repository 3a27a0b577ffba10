"""The fields of pods and nodes that are read here, as typed Structs.

They check types on the way in and give the scheduler and the runner names instead of keys.
Fields that are not named are kept by the store and not read. ``null`` is as good as absent, as
for a real API server; hence the many ``| None``.
"""

from typing import Any

import msgspec

Quantities = dict[str, str | int | float]


class Shape(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Base: camelCase on the wire."""


class OwnerReference(Shape, frozen=True):
    """Who an object belongs to: deleted with it."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class Meta(Shape, frozen=True):
    """metadata, as far as it is read."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None
    owner_references: list[OwnerReference] | None = None


class KeySelector(Shape, frozen=True):
    """One key of a secret or config map."""

    name: str = ""
    key: str = ""
    optional: bool | None = None


class FieldSelector(Shape, frozen=True):
    """A field of the pod itself (downward API)."""

    field_path: str = ""


class ResourceFieldSelector(Shape, frozen=True):
    """A request or limit of a container; ``divisor`` is a quantity."""

    container_name: str = ""
    resource: str = ""
    divisor: str | int | None = None


class EnvSource(Shape, frozen=True):
    """Where the value of a variable comes from: one of the four."""

    field_ref: FieldSelector | None = None
    secret_key_ref: KeySelector | None = None
    config_map_key_ref: KeySelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None


class EnvVar(Shape, frozen=True):
    """One environment variable."""

    name: str = ""
    value: str | None = None
    value_from: EnvSource | None = None


class NamedSource(Shape, frozen=True):
    """A secret or config map by name."""

    name: str = ""
    optional: bool | None = None


class EnvFrom(Shape, frozen=True):
    """All keys of a secret or config map as variables."""

    prefix: str | None = None
    secret_ref: NamedSource | None = None
    config_map_ref: NamedSource | None = None


class Mount(Shape, frozen=True):
    """Where a container sees a volume."""

    name: str = ""
    mount_path: str = ""
    sub_path: str | None = None
    read_only: bool | None = None


class Requirements(Shape, frozen=True):
    """What a container asks for and may use at most."""

    requests: Quantities | None = None
    limits: Quantities | None = None


class Container(Shape, frozen=True):
    """One container, or init container."""

    name: str = ""
    image: str | None = None
    command: list[str] | None = None
    args: list[str] | None = None
    working_dir: str | None = None
    env: list[EnvVar] | None = None
    env_from: list[EnvFrom] | None = None
    volume_mounts: list[Mount] | None = None
    resources: Requirements | None = None
    image_pull_policy: str | None = None
    restart_policy: str | None = None


class KeyToPath(Shape, frozen=True):
    """One key as a file; ``mode`` are permission bits."""

    key: str = ""
    path: str = ""
    mode: int | None = None


class ConfigMapVolume(Shape, frozen=True):
    """Files from a config map."""

    name: str = ""
    items: list[KeyToPath] | None = None
    default_mode: int | None = None
    optional: bool | None = None


class SecretVolume(Shape, frozen=True):
    """Files from a secret."""

    secret_name: str = ""
    items: list[KeyToPath] | None = None
    default_mode: int | None = None
    optional: bool | None = None


class EmptyDirVolume(Shape, frozen=True):
    """A folder as old as the pod."""

    medium: str | None = None
    size_limit: str | int | None = None


class ClaimVolume(Shape, frozen=True):
    """A persistent volume claim by name."""

    claim_name: str = ""
    read_only: bool | None = None


class HostPathVolume(Shape, frozen=True):
    """A folder or file of the node."""

    path: str = ""
    type: str | None = None


class Volume(Shape, frozen=True):
    """One volume; one source is set."""

    name: str = ""
    empty_dir: EmptyDirVolume | None = None
    config_map: ConfigMapVolume | None = None
    secret: SecretVolume | None = None
    persistent_volume_claim: ClaimVolume | None = None
    host_path: HostPathVolume | None = None


class Toleration(Shape, frozen=True):
    """Lets a pod onto nodes with a taint."""

    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None
    toleration_seconds: int | None = None


class Requirement(Shape, frozen=True):
    """One expression over labels or fields of a node."""

    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class NodeTerm(Shape, frozen=True):
    """Expressions that must all hold."""

    match_expressions: list[Requirement] | None = None
    match_fields: list[Requirement] | None = None


class NodeSelector(Shape, frozen=True):
    """Terms of which one must hold."""

    node_selector_terms: list[NodeTerm] | None = None


class NodeAffinity(Shape, frozen=True):
    """Which nodes; only what is required counts here."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None


class Affinity(Shape, frozen=True):
    """Only node affinity counts here."""

    node_affinity: NodeAffinity | None = None


class Gate(Shape, frozen=True):
    """Holds a pod back from scheduling as long as it is there."""

    name: str = ""


class PodSpec(Shape, frozen=True):
    """What a pod shall be."""

    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    volumes: list[Volume] | None = None
    restart_policy: str | None = None
    termination_grace_period_seconds: int | None = None
    active_deadline_seconds: int | None = None
    node_name: str | None = None
    node_selector: dict[str, str] | None = None
    affinity: Affinity | None = None
    tolerations: list[Toleration] | None = None
    scheduler_name: str | None = None
    scheduling_gates: list[Gate] | None = None
    priority_class_name: str | None = None
    priority: int | None = None
    service_account_name: str | None = None
    hostname: str | None = None
    overhead: Quantities | None = None


class Condition(Shape, frozen=True):
    """One condition of a pod or node; times are RFC 3339."""

    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None
    last_heartbeat_time: str | None = None


class PodStatus(Shape, frozen=True):
    """What a pod is; container statuses as they came."""

    phase: str | None = None
    reason: str | None = None
    conditions: list[Condition] | None = None
    start_time: str | None = None
    container_statuses: list[dict[str, Any]] | None = None
    init_container_statuses: list[dict[str, Any]] | None = None


class Pod(Shape, frozen=True):
    """One pod."""

    metadata: Meta = Meta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Taint(Shape, frozen=True):
    """Keeps pods without its toleration off a node."""

    key: str = ""
    value: str | None = None
    effect: str = ""


class NodeSpec(Shape, frozen=True):
    """What a node shall be."""

    taints: list[Taint] | None = None
    unschedulable: bool | None = None


class NodeAddress(Shape, frozen=True):
    """One address of a node; ``type`` is InternalIP, Hostname, ...."""

    type: str = ""
    address: str = ""


class Endpoint(msgspec.Struct, frozen=True):
    """A port of a daemon on the node."""

    Port: int = 0


class DaemonEndpoints(Shape, frozen=True):
    """Where the kubelet listens."""

    kubelet_endpoint: Endpoint | None = None


class NodeStatus(Shape, frozen=True):
    """What a node is and has."""

    capacity: Quantities | None = None
    allocatable: Quantities | None = None
    conditions: list[Condition] | None = None
    addresses: list[NodeAddress] | None = None
    daemon_endpoints: DaemonEndpoints | None = None
    node_info: dict[str, Any] | None = None


class Node(Shape, frozen=True):
    """One node."""

    metadata: Meta = Meta()
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()
