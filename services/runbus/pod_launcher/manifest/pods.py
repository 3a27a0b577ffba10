"""The pod of a role: where and as whom it runs, for every kind that has a whole pod spec.

Placement (tolerations, affinity) is worked in for each role by itself, from what the platform is.
It must not know kinds, nor what runs in the containers.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from runbus.contracts.document import RunDocument, SecurityContext
from runbus.contracts.placement import Affinity, Platform, Toleration
from runbus.contracts.states import Role
from runbus.pod_launcher.manifest.container import without_empty
from runbus.pod_launcher.manifest.metadata import Attempt, Manifest, template_metadata
from runbus.pod_launcher.manifest.volumes import pod_volumes
from runbus.settings.limits import grace_s
from runbus.settings.placing import placed
from runbus.settings.roles import document_of

NEVER = "Never"


def placed_role(document: RunDocument, role: Role, platform: Platform) -> RunDocument:
    """Return the settings of one role, with its tolerations and affinity in their final form."""
    return placed(document_of(document, role), platform)


def pod_template(
    document: RunDocument,
    attempt: Attempt,
    role: Role,
    container: Manifest,
    *,
    restart_policy: str | None = None,
) -> Manifest:
    """Return a role's pod template, with the labels by which its pods are found."""
    return {
        "metadata": template_metadata(document, attempt, role),
        "spec": pod_spec(document, container, restart_policy=restart_policy),
    }


def pod_spec(
    document: RunDocument, container: Manifest, *, restart_policy: str | None = None
) -> Manifest:
    """Return where and as whom a pod runs, and its one container.

    Service links are off: a variable for each service of the namespace would stand among the
    user's, and starting takes long where there are thousands. The restart policy is left out
    where the operator has a field of its own for it.
    """
    secret = document.image_pull_secret
    spec: Manifest = {
        "restartPolicy": restart_policy,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_s(document),
        "serviceAccountName": document.service_account,
        "priorityClassName": document.priority_class,
        "imagePullSecrets": [{"name": secret}] if secret is not None else None,
        "securityContext": security_context(document.security_context),
        "nodeName": document.node_name,
        **placement(document),
        "containers": [container],
        "volumes": pod_volumes(document.volumes or (), document.user),
    }
    return without_empty(spec)


def placement(document: RunDocument) -> Manifest:
    """Return which nodes may take the pod; what is empty may stand in it."""
    return {
        "nodeSelector": _node_selector(document.node_selector),
        "affinity": _plain(document.affinity),
        "tolerations": _plain(document.tolerations),
    }


def security_context(context: SecurityContext | None) -> Manifest:
    """Return as whom the pod runs, in Kubernetes' words."""
    if context is None:
        return {}
    return without_empty(
        {
            "runAsUser": context.run_as_user,
            "runAsGroup": context.run_as_group,
            "fsGroup": context.fs_group,
        }
    )


def _node_selector(selector: dict[str, str] | None) -> dict[str, str]:
    """Return the selector without cancelled keys: an empty value never reaches an object."""
    return {key: value for key, value in (selector or {}).items() if value}


def _plain(placement: Affinity | Sequence[Toleration] | None) -> object:
    """Return what is Kubernetes' own shape already, as lists and mappings."""
    if not placement:
        return None
    plain: object = msgspec.json.decode(msgspec.json.encode(placement))
    return plain
