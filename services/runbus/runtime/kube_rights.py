"""Which right a request to Kubernetes takes, as its authorizer sees it. Pure.

It must not know who has which right.
"""

from __future__ import annotations

from msgspec import Struct

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Asked(Struct, frozen=True):
    """A verb on a resource (`pods`, `pods/log`); `namespace` empty: cluster-wide."""

    verb: str
    resource: str
    namespace: str = ""

    @property
    def text(self) -> str:
        """As people say it."""
        where = f"in {self.namespace}" if self.namespace else "in the cluster"
        return f"{self.verb} {self.resource} {where}"


def asked(method: str, path: str, *, is_watch: bool = False) -> Asked:
    """Return what a request for a resource asks for.

    Args:
        method: GET, POST, ….
        path: `/api/v1/…` or `/apis/GROUP/VERSION/…`, without its query.
        is_watch: the query says so.

    """
    rest = path.strip("/").split("/")[2 if path.startswith("/api/") else 3 :]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = (*rest, "", "", "")[:3]
    verb = "watch" if is_watch else _VERBS.get(method, "get" if name else "list")
    return Asked(verb, f"{resource}/{subresource}" if subresource else resource, namespace)


def is_missing(method: str, kind: str, name: str) -> bool:
    """Say whether a 403 is the authorizer's, by the details of the answer's Status.

    An admission controller's 403 on a create has the object's name; the authorizer has not read the
    object yet. A webhook's has no kind. Both refuse this request, and no right would help.
    """
    return bool(kind) and (method != "POST" or not name)
