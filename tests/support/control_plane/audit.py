"""What the API server's own authorizer says to each request of the services, from its audit log.

Only service accounts of one namespace are written down, so that it costs the other tests nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from support.rbac import Ask

NAMESPACE = "runbus"
FILE = "audit.log"
POLICY = "audit-policy.yaml"
_ALLOW = "allow"


class Judged(Struct, frozen=True, order=True):
    """One request: what it takes, and whether the authorizer let it pass."""

    ask: Ask
    is_allowed: bool


class _Object(Struct, rename="camel"):
    resource: str = ""
    namespace: str = ""
    subresource: str = ""
    api_group: str = ""


class _User(Struct):
    username: str


class _Event(Struct, rename="camel"):
    verb: str
    user: _User
    object_ref: _Object | None = None
    annotations: dict[str, str] = {}


def write_policy(folder: Path) -> None:
    """Write which requests are written down: whole lines, of those service accounts alone."""
    policy: dict[str, Any] = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "Metadata", "userGroups": [f"system:serviceaccounts:{NAMESPACE}"]},
            {"level": "None"},
        ],
    }
    (folder / POLICY).write_bytes(msgspec.json.encode(policy))


def flags(folder: Path) -> dict[str, str]:
    """Return the API server's flags."""
    return {
        "audit-policy-file": str(folder / POLICY),
        "audit-log-path": str(folder / FILE),
        "audit-log-mode": "blocking-strict",  # a request that was answered stands in it
    }


def forget(folder: Path) -> None:
    """Forget what has been written down: the server goes on at the file's end."""
    with (folder / FILE).open("ab") as log:
        log.truncate(0)


def judged(folder: Path, account: str) -> list[Judged]:
    """Return what an account has asked for, in order; a watch that has begun as well."""
    user = f"system:serviceaccount:{NAMESPACE}:{account}"
    events = msgspec.json.Decoder(_Event).decode_lines((folder / FILE).read_bytes())
    return [_judged(each) for each in events if each.user.username == user]


def _judged(event: _Event) -> Judged:
    found = event.object_ref or _Object()
    name = f"{found.resource}/{found.subresource}" if found.subresource else found.resource
    ask = Ask(event.verb, found.api_group, name, found.namespace)
    return Judged(ask, event.annotations.get("authorization.k8s.io/decision") == _ALLOW)
