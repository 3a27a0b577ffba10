"""What each service may do on Kubernetes: exactly what it asks for.

Data for the chart's Roles, for whoever asks whether a right is missing, and for what a service says
when it is refused. Tests hold it against what the services do on a real API server. It must not
know how a right is granted.
"""

from __future__ import annotations

from msgspec import Struct

from runbus.contracts.transitions import Publisher


class Right(Struct, frozen=True):
    """One verb on one resource. Cluster-wide resources have no namespace."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    is_namespaced: bool = True

    @property
    def text(self) -> str:
        """As people say it."""
        name = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{self.verb} {name}"


_PODS = "pods"
RIGHTS: dict[Publisher, tuple[Right, ...]] = {
    Publisher.SPEC_VALIDATOR: (
        Right("list", "priorityclasses", "scheduling.k8s.io", is_namespaced=False),
    ),
    Publisher.POD_LAUNCHER: (Right("create", _PODS),),
    Publisher.STATE_WATCHER: (
        Right("get", _PODS),
        Right("list", _PODS),
        Right("watch", _PODS),
        Right("list", "events"),
        Right("get", "nodes", is_namespaced=False),
    ),
    Publisher.ABORTER: (
        Right("get", _PODS),
        Right("list", _PODS),
        Right("delete", _PODS),
        Right("get", _PODS, subresource="log"),
        Right("list", "events"),
        Right("get", "nodes", is_namespaced=False),
    ),
}
# Resources without which a service goes on, and knows less.
OPTIONAL = frozenset({"priorityclasses", "nodes", "events"})
