"""The chart's own data: identities, consumers and rights, for its templates to range over. Pure.

Identities and rights are those of the contracts; tests hold them against what the services do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from runbus.contracts.identities import identities, tenant_identity
from runbus.contracts.rights import RIGHTS, Right
from runbus.contracts.streams import CONSUMERS
from runbus.contracts.transitions import Publisher
from runbus_deploy.accounts import ACCOUNT, GENERATED, REPLY_EXPIRES, password_variable

# What stands for a tenant's project in the template; no project of anybody's.
TENANT_PROJECT = "runbus-tenant-project"
# Their work is a lease's, of one or of shards: no backlog of a consumer says how much there is.
HELD_BY_LEASE = frozenset({Publisher.SCHEDULER, Publisher.STATE_WATCHER})


def bus_json() -> str:
    """Return identities, a tenant's as a template, and the consumers that scale a service."""
    tenant = tenant_identity(TENANT_PROJECT)
    return _text(
        {
            "account": ACCOUNT,
            "replyExpires": REPLY_EXPIRES,
            "identities": [
                {**msgspec.to_builtins(each), "password": password_variable(each.name)}
                for each in identities()
            ],
            "tenant": {
                **msgspec.to_builtins(tenant),
                "password": password_variable(tenant.name),
                "project": TENANT_PROJECT,
            },
            "consumers": {
                publisher.value: [
                    {"stream": spec.stream, "consumer": spec.name}
                    for spec in CONSUMERS
                    if spec.service is publisher
                ]
                for publisher in Publisher
                if publisher not in HELD_BY_LEASE
            },
        }
    )


def rights_json() -> str:
    """Return the rules of each service's Role, and those that need a ClusterRole."""
    return _text(
        {
            publisher.value: {
                "namespaced": _rules(right for right in _of(publisher) if right.is_namespaced),
                "cluster": _rules(right for right in _of(publisher) if not right.is_namespaced),
            }
            for publisher in Publisher
        }
    )


def _of(publisher: Publisher) -> tuple[Right, ...]:
    return RIGHTS.get(publisher, ())


def _rules(rights: Iterable[Right]) -> list[dict[str, Any]]:
    """Return policy rules, one a resource."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        resource = f"{right.resource}/{right.subresource}" if right.subresource else right.resource
        verbs.setdefault((right.group, resource), []).append(right.verb)
    return [
        {"apiGroups": [group], "resources": [resource], "verbs": sorted(found)}
        for (group, resource), found in verbs.items()
    ]


def _text(content: dict[str, Any]) -> str:
    return json.dumps({"about": GENERATED, **content}, indent=2) + "\n"
