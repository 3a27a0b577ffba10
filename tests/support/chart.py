"""What each service is granted on Kubernetes."""

from __future__ import annotations

from runbus.cli.doctor.rights import RIGHTS
from runbus.contracts.transitions import Publisher
from support.rbac import Grant


def grants_of_services() -> dict[Publisher, list[Grant]]:
    """Return the grants of each service."""
    return {
        publisher: [
            Grant(r.verb, r.group, f"{r.resource}/{r.subresource}" if r.subresource else r.resource)
            for r in RIGHTS.get(publisher, ())
        ]
        for publisher in Publisher
    }
