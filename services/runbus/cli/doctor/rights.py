"""Whether the identity of this kubeconfig may do what each service has to do.

The services may have identities of their own, with fewer rights: this is what can be asked from
here. Source of the table: the page on the architecture, section 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from runbus.cli.doctor.findings import Finding, Section, ok, problem, warning
from runbus.cli.kube_access import KubeAccess
from runbus.contracts.transitions import Publisher

PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
MISSING = frozenset({404, 405})


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
# Without these a service goes on, and knows less.
_OPTIONAL = frozenset({"priorityclasses", "nodes", "events"})


class _Status(Struct, frozen=True):
    allowed: bool = False


class _Review(Struct, frozen=True):
    status: _Status = _Status()


async def check_rights(kube: KubeAccess, namespaces: Sequence[str]) -> list[Finding]:
    """Return which rights are missing, for each service.

    Args:
        kube: the API server.
        namespaces: where they are needed; none: everywhere.

    """
    found: list[Finding] = []
    for publisher, rights in RIGHTS.items():
        missing: list[Right] = []
        for right in rights:
            allowed = await _is_allowed(kube, right, namespaces)
            if allowed is None:
                text = "rights cannot be asked for: the API has no SelfSubjectAccessReview"
                return [warning(Section.RIGHTS, text)]
            if not allowed:
                missing.append(right)
        found += _judged(publisher, rights, missing, namespaces)
    return found


async def _is_allowed(kube: KubeAccess, right: Right, namespaces: Sequence[str]) -> bool | None:
    """Say whether something may be done in every namespace; None where that cannot be asked."""
    for namespace in namespaces if right.is_namespaced and namespaces else ("",):
        attributes = {
            "verb": right.verb,
            "group": right.group,
            "resource": right.resource,
            "subresource": right.subresource,
            "namespace": namespace,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = await kube.request("POST", PATH, body=review)
        if answer.status in MISSING:
            return None
        if not answer.is_success:
            return False
        if not msgspec.json.decode(answer.body, type=_Review).status.allowed:
            return False
    return True


def _judged(
    publisher: Publisher,
    rights: Sequence[Right],
    missing: Sequence[Right],
    namespaces: Sequence[str],
) -> list[Finding]:
    if not missing:
        told = ", ".join(right.text for right in rights)
        return [ok(Section.RIGHTS, f"{publisher.value} may {told}")]
    where = f"in {', '.join(namespaces)}" if namespaces else "everywhere"
    told = ", ".join(right.text for right in missing)
    text = f"{publisher.value} needs, and this kubeconfig's user may not {where}: {told}"
    way_out = "grant it in a ClusterRole"
    if not namespaces and all(right.is_namespaced for right in missing):
        way_out = "grant it in a ClusterRole, or ask per namespace: --namespace NAME"
    is_optional = all(right.resource in _OPTIONAL for right in missing)
    return [(warning if is_optional else problem)(Section.RIGHTS, text, way_out)]
