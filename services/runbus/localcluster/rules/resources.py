"""The kinds that the local cluster serves, as data, and how paths name them.

Knows no HTTP library: a path comes in as text, already decoded.
"""

import msgspec

_ALL = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Resource(msgspec.Struct, frozen=True):
    """One served kind.

    ``deletes_to_object``: a delete answers with the object instead of a Status. ``graceful``: its
    deletion has a grace period. ``generation``: metadata.generation is 1. ``must_version``: an
    update without resourceVersion is refused. ``status``: has the status subresource.
    ``no_collection``: deletecollection is not allowed. ``bookmark``: what a bookmark's object
    shows besides metadata, as JSON. ``read_only``: why none can be created here. ``refused``:
    subresources that are not served, and why.
    """

    plural: str
    kind: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    deletes_to_object: bool = False
    graceful: bool = False
    generation: bool = False
    must_version: bool = False
    no_collection: bool = False
    bookmark: tuple[str, ...] = ()
    read_only: str = ""
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def api_version(self) -> str:
        """``v1`` or ``group/version``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The plural as messages name it: ``pods``, ``leases.coordination.k8s.io``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular(self) -> str:
        """The name discovery gives for one of it."""
        return self.kind.lower()

    @property
    def has_status(self) -> bool:
        """Whether status is written through its own subresource only."""
        return "status" in self.subresources

    @property
    def verbs(self) -> tuple[str, ...]:
        """What discovery says can be done with it."""
        if self.read_only:
            return ("get", "list", "watch")
        if self.no_collection:
            return tuple(verb for verb in _ALL if verb != "deletecollection")
        return _ALL


_NO_STREAMS = "containers are processes of this machine"
PODS = Resource(
    "pods",
    "Pod",
    short_names=("po",),
    categories=("all",),
    subresources=("binding", "eviction", "log", "status"),
    deletes_to_object=True,
    graceful=True,
    refused=(
        (
            "exec",
            f"the local cluster has no exec: {_NO_STREAMS}, so run the command here; the pod's "
            "folder is pods/UID/rootfs in the cluster's folder",
        ),
        ("attach", f"the local cluster has no attach: {_NO_STREAMS}; kubectl logs -f follows one"),
        (
            "portforward",
            f"the local cluster forwards no ports: {_NO_STREAMS}, so a port that one listens on "
            "is there at 127.0.0.1",
        ),
        ("ephemeralcontainers", "the local cluster has no ephemeral containers"),
    ),
    bookmark=('"spec":{"containers":null}', '"status":{}'),
)
NODES = Resource(
    "nodes",
    "Node",
    namespaced=False,
    short_names=("no",),
    subresources=("status",),
    bookmark=('"spec":{}', '"status":{}'),
)
NAMESPACES = Resource(
    "namespaces",
    "Namespace",
    namespaced=False,
    short_names=("ns",),
    subresources=("finalize", "status"),
    deletes_to_object=True,
    no_collection=True,
    bookmark=('"spec":{}', '"status":{}'),
)
EVENTS = Resource("events", "Event", short_names=("ev",))
CONFIG_MAPS = Resource("configmaps", "ConfigMap", short_names=("cm",))
SECRETS = Resource("secrets", "Secret")
CLAIMS = Resource(
    "persistentvolumeclaims",
    "PersistentVolumeClaim",
    short_names=("pvc",),
    subresources=("status",),
    deletes_to_object=True,
)
SERVICE_ACCOUNTS = Resource(
    "serviceaccounts", "ServiceAccount", short_names=("sa",), deletes_to_object=True
)
QUOTAS = Resource(
    "resourcequotas",
    "ResourceQuota",
    short_names=("quota",),
    subresources=("status",),
    deletes_to_object=True,
)
PRIORITY_CLASSES = Resource(
    "priorityclasses",
    "PriorityClass",
    group="scheduling.k8s.io",
    namespaced=False,
    short_names=("pc",),
    generation=True,
)
SERVICES = Resource(
    "services",
    "Service",
    short_names=("svc",),
    categories=("all",),
    read_only="the local cluster has no services: its processes share this machine's network, "
    "a pod is reached at 127.0.0.1 and the port it listens on",
)
LIMIT_RANGES = Resource(
    "limitranges",
    "LimitRange",
    short_names=("limits",),
    read_only="the local cluster applies no limit ranges",
)
BUDGETS = Resource(
    "poddisruptionbudgets",
    "PodDisruptionBudget",
    group="policy",
    short_names=("pdb",),
    read_only="the local cluster has no disruption budgets: evictions are never held up",
)
LEASES = Resource("leases", "Lease", group="coordination.k8s.io", must_version=True)

RESOURCES: tuple[Resource, ...] = (
    CONFIG_MAPS,
    EVENTS,
    LIMIT_RANGES,
    NAMESPACES,
    NODES,
    CLAIMS,
    PODS,
    QUOTAS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    PRIORITY_CLASSES,
    LEASES,
    BUDGETS,
)
_BY_PATH = {(each.group, each.version, each.plural): each for each in RESOURCES}
GROUP_VERSIONS = tuple(dict.fromkeys((each.group, each.version) for each in RESOURCES))
_DEEPEST = 3  # plural, name, subresource


class Target(msgspec.Struct, frozen=True):
    """What a path names. ``namespace`` is "" for cluster-wide kinds and lists over all."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def parse_target(path: str) -> Target | None:
    """Read a resource path; None where it names nothing that is served."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in NAMESPACES.subresources:
        namespace, rest = rest[1], rest[2:]
    resource = _BY_PATH.get((group, version, rest[0]))
    if resource is None or len(rest) > _DEEPEST or not all(rest):
        return None
    if namespace and not resource.namespaced:
        return None
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if resource.namespaced and name and not namespace:
        return None
    if subresource and subresource not in (*resource.subresources, *dict(resource.refused)):
        return None
    return Target(resource, namespace, name, subresource)
