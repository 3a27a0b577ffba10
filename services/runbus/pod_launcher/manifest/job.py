"""Kind `job`: one pod that runs once.

The pod is never restarted by Kubernetes: another try is another attempt, with an object of its
own. It must not know other kinds. Worked examples: the golden objects, 01 and 02.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from runbus.contracts.document import RunDocument, SecurityContext
from runbus.contracts.placement import Affinity, Toleration
from runbus.pod_launcher.manifest.container import main_container, without_empty
from runbus.pod_launcher.manifest.metadata import Attempt, Manifest, metadata
from runbus.pod_launcher.manifest.volumes import pod_volumes
from runbus.settings.limits import grace_s


def render(document: RunDocument, attempt: Attempt) -> list[Manifest]:
    """Return the one pod of a job's attempt."""
    pod: Manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(document, attempt),
        "spec": pod_spec(document, attempt),
    }
    return [pod]


def pod_spec(document: RunDocument, attempt: Attempt) -> Manifest:
    """Return where and as whom the pod runs, and its one container.

    Service links are off: a variable for each service of the namespace would stand among the
    user's, and starting takes long where there are thousands.
    """
    secret = document.image_pull_secret
    spec: Manifest = {
        "restartPolicy": "Never",
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_s(document),
        "serviceAccountName": document.service_account,
        "priorityClassName": document.priority_class,
        "imagePullSecrets": [{"name": secret}] if secret is not None else None,
        "securityContext": _security_context(document.security_context),
        "nodeName": document.node_name,
        "nodeSelector": _node_selector(document.node_selector),
        "affinity": _plain(document.affinity),
        "tolerations": _plain(document.tolerations),
        "containers": [main_container(document, attempt)],
        "volumes": pod_volumes(document.volumes or ()),
    }
    return without_empty(spec)


def _node_selector(selector: dict[str, str] | None) -> dict[str, str]:
    """Return the selector without cancelled keys: an empty value never reaches an object."""
    return {key: value for key, value in (selector or {}).items() if value}


def _security_context(context: SecurityContext | None) -> Manifest:
    if context is None:
        return {}
    return without_empty(
        {
            "runAsUser": context.run_as_user,
            "runAsGroup": context.run_as_group,
            "fsGroup": context.fs_group,
        }
    )


def _plain(placement: Affinity | Sequence[Toleration] | None) -> object:
    """Return what is Kubernetes' own shape already, as lists and mappings."""
    if not placement:
        return None
    plain: object = msgspec.json.decode(msgspec.json.encode(placement))
    return plain
