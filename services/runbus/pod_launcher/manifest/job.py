"""Kind `job`: one pod that runs once.

The pod is never restarted by Kubernetes: another try is another attempt, with an object of its
own. Kueue gates it by its label. It must not know other kinds. Worked examples: the golden
objects, 01 and 02.
"""

from __future__ import annotations

from runbus.contracts.document import RunDocument
from runbus.contracts.placement import Platform
from runbus.contracts.states import Role
from runbus.pod_launcher.manifest.container import main_container
from runbus.pod_launcher.manifest.metadata import Attempt, Manifest, metadata
from runbus.pod_launcher.manifest.pods import NEVER, placed_role, pod_spec


def render(document: RunDocument, attempt: Attempt, platform: Platform) -> list[Manifest]:
    """Return the one pod of a job's attempt."""
    own = placed_role(document, Role.MAIN, platform)
    container = main_container(own, attempt, Role.MAIN)
    pod: Manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(document, attempt, Role.MAIN),
        "spec": pod_spec(own, container, restart_policy=NEVER),
    }
    return [pod]
