"""Rights on Kubernetes as data: what a request asks for, what rules allow; a proxy that refuses.

As the API server's own authorizer reads Roles: a verb, a group, a resource (with `/subresource`),
in one namespace or in all. It must not know services.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from msgspec import Struct

from support.kube_proxies import KubeProxy

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
FORBIDDEN = 403


class Ask(Struct, frozen=True, order=True):
    """What one request asks for; `namespace` is empty for cluster-wide resources and lists."""

    verb: str
    group: str
    resource: str
    namespace: str = ""

    @property
    def right(self) -> tuple[str, str, str]:
        """The right that it takes, wherever."""
        return self.verb, self.group, self.resource


class Grant(Struct, frozen=True):
    """One right; `namespace` empty: everywhere, and on what is cluster-wide."""

    verb: str
    group: str
    resource: str
    namespace: str = ""

    @property
    def right(self) -> tuple[str, str, str]:
        """The right, wherever."""
        return self.verb, self.group, self.resource


def asked(method: str, path: str, query: Mapping[str, str]) -> Ask | None:
    """Return what a request asks for; None where it is no resource's."""
    tokens = path.strip("/").split("/")
    match tokens:
        case ["api", _version, *rest]:
            group = ""
        case ["apis", group, _version, *rest]:
            pass
        case _:
            return None
    namespace = ""
    if len(rest) > 1 and rest[0] == "namespaces":
        namespace = rest[1]
        rest = rest[2:] or rest
    if not rest:
        return None
    resource, name, subresource = (*rest, "", "")[:3]
    verb = _VERBS.get(method, "get" if name else "list")
    if verb == "list" and query.get("watch") in {"1", "true"}:
        verb = "watch"
    if verb == "delete" and not name:
        verb = "deletecollection"
    return Ask(verb, group, f"{resource}/{subresource}" if subresource else resource, namespace)


def is_allowed(ask: Ask, grants: Iterable[Grant]) -> bool:
    """Say whether one of the grants covers what is asked for."""
    return any(each.right == ask.right and each.namespace in {"", ask.namespace} for each in grants)


def grants_of(rules: Iterable[Mapping[str, Any]], namespace: str = "") -> list[Grant]:
    """Return what the rules of a Role (in a namespace) or ClusterRole grant.

    A wildcard or a list of names is no least right: it fails here.
    """
    found = []
    for rule in rules:
        assert set(rule) == {"apiGroups", "resources", "verbs"}, rule
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    assert "*" not in {group, resource, verb}, rule
                    found.append(Grant(verb, group, resource, namespace))
    return found


class AuthorizingProxy(KubeProxy):
    """The API server as one identity sees it: what its grants do not cover is refused."""

    def __init__(
        self, upstream: str, session: aiohttp.ClientSession, grants: Iterable[Grant]
    ) -> None:
        super().__init__(upstream, session)
        self.grants = tuple(grants)
        self.asked: set[Ask] = set()
        self.refused: set[Ask] = set()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Pass a request on, or answer 403 as the API server would."""
        ask = asked(request.method, request.path, request.query)
        if ask is not None:
            self.asked.add(ask)
            if not is_allowed(ask, self.grants):
                self.refused.add(ask)
                return _forbidden(ask)
        return await super().handle(request)


def _forbidden(ask: Ask) -> web.Response:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": "Forbidden",
        "message": f"{ask.resource} is forbidden: cannot {ask.verb} in {ask.namespace!r}",
        "code": FORBIDDEN,
        "details": {"group": ask.group, "kind": ask.resource.partition("/")[0]},
    }
    body = msgspec.json.encode(status)
    return web.Response(status=FORBIDDEN, body=body, content_type="application/json")


@asynccontextmanager
async def authorizing_proxy(
    upstream: str, grants: Iterable[Grant]
) -> AsyncIterator[AuthorizingProxy]:
    """Run a proxy with an identity's grants for the length of a block."""
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        proxy = AuthorizingProxy(upstream, session, grants)
        async with proxy.serving():
            yield proxy
