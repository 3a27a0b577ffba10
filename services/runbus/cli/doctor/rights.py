"""Whether the identity of this kubeconfig, or each service's own, may do what a service has to do.

The services of a chart have accounts of their own, with fewer rights: who may ask for those of
others (an administrator) asks for theirs by `Accounts`; otherwise this kubeconfig's are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from runbus.cli.doctor.findings import Finding, Section, ok, problem, warning
from runbus.cli.kube_access import KubeAccess
from runbus.contracts.rights import OPTIONAL, RIGHTS, Right
from runbus.contracts.transitions import Publisher

_API = "/apis/authorization.k8s.io/v1"
PATH = f"{_API}/selfsubjectaccessreviews"
PATH_OF_OTHERS = f"{_API}/subjectaccessreviews"
UNKNOWN = frozenset({404, 405})
FORBIDDEN = 403
RELEASE = "runbus"


class _Status(Struct, frozen=True):
    allowed: bool = False


class _Review(Struct, frozen=True):
    status: _Status = _Status()


class _CannotAskError(Exception):
    """The API server does not say; with what to do about it."""

    def __init__(self, what: str, way_out: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.way_out = way_out


class Accounts(Struct, frozen=True):
    """The service accounts of one release of the chart: `<release>-<service>`."""

    namespace: str
    release: str = RELEASE

    def subject(self, publisher: Publisher) -> dict[str, object]:
        """Return the user and groups that a service is."""
        name = f"{self.release}-{publisher.value}"
        groups = [
            "system:serviceaccounts",
            f"system:serviceaccounts:{self.namespace}",
            "system:authenticated",
        ]
        return {"user": f"system:serviceaccount:{self.namespace}:{name}", "groups": groups}


def accounts_of(text: str) -> Accounts:
    """Return what `NAMESPACE` or `NAMESPACE/RELEASE` names."""
    namespace, _, release = text.partition("/")
    return Accounts(namespace, release or RELEASE)


async def check_rights(
    kube: KubeAccess, namespaces: Sequence[str], accounts: Accounts | None = None
) -> list[Finding]:
    """Return which rights are missing, for each service.

    Args:
        kube: the API server.
        namespaces: where they are needed; none: everywhere.
        accounts: whose rights; None: those of this kubeconfig's user.

    """
    found: list[Finding] = []
    try:
        for publisher, rights in RIGHTS.items():
            subject = accounts.subject(publisher) if accounts is not None else None
            missing = {
                right: lacking
                for right in rights
                if (lacking := await _lacking(kube, right, namespaces, subject))
            }
            who = str(subject["user"]) if subject is not None else "this kubeconfig's user"
            found += _judged(publisher, rights, missing, who, bool(namespaces))
    except _CannotAskError as error:
        return [warning(Section.RIGHTS, error.what, error.way_out)]
    return found


async def _lacking(
    kube: KubeAccess,
    right: Right,
    namespaces: Sequence[str],
    subject: dict[str, object] | None,
) -> list[str]:
    """Return the namespaces in which something may not be done; "": everywhere."""
    where = namespaces if right.is_namespaced and namespaces else ("",)
    return [each for each in where if not await _is_allowed(kube, right, each, subject)]


async def _is_allowed(
    kube: KubeAccess, right: Right, namespace: str, subject: dict[str, object] | None
) -> bool:
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "subresource": right.subresource,
        "namespace": namespace,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview" if subject is None else "SubjectAccessReview",
        "spec": {"resourceAttributes": attributes, **(subject or {})},
    }
    answer = await kube.request("POST", PATH_OF_OTHERS if subject else PATH, body=review)
    if answer.status in UNKNOWN:
        text = f"rights cannot be asked for: the API has no {review['kind']}"
        raise _CannotAskError(text)
    if subject is not None and answer.status == FORBIDDEN:
        text = "this kubeconfig's user may not ask for the rights of the services' accounts"
        raise _CannotAskError(text, "grant it create subjectaccessreviews, or ask as an admin")
    return answer.is_success and msgspec.json.decode(answer.body, type=_Review).status.allowed


def _judged(
    publisher: Publisher,
    rights: Sequence[Right],
    missing: dict[Right, list[str]],
    who: str,
    is_by_namespace: bool,
) -> list[Finding]:
    if not missing:
        told = ", ".join(right.text for right in rights)
        return [ok(Section.RIGHTS, f"{publisher.value} may {told}")]
    lacking = dict.fromkeys(each for found in missing.values() for each in found if each)
    where = f"in {', '.join(lacking)}" if lacking else "everywhere"
    told = ", ".join(right.text for right in missing)
    text = f"{publisher.value} needs, and {who} may not {where}: {told}"
    way_out = "grant it in a ClusterRole"
    if lacking:
        way_out = "grant it in a Role there: deploy/rendered"
    elif not is_by_namespace and all(right.is_namespaced for right in missing):
        way_out = "grant it in a ClusterRole, or ask per namespace: --namespace NAME"
    is_optional = all(right.resource in OPTIONAL for right in missing)
    return [(warning if is_optional else problem)(Section.RIGHTS, text, way_out)]
