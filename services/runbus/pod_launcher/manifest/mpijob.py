"""Kind `mpijob`: one MPIJob of the MPI operator (kubeflow.org/v2beta1).

The launcher starts when every worker is ready, and the operator starts sshd in workers that have
neither command nor arguments. Its own retries are off: another try is another attempt. It must
not know other kinds. Worked example: the golden objects, 04.
"""

from __future__ import annotations

from runbus.contracts.document import RunDocument
from runbus.contracts.document_kinds import CleanPodPolicy, Mpi
from runbus.contracts.placement import Platform
from runbus.contracts.states import Role
from runbus.pod_launcher.manifest.container import arguments, program, role_container
from runbus.pod_launcher.manifest.metadata import Attempt, Manifest, is_kueues, metadata
from runbus.pod_launcher.manifest.pods import NEVER, placed_role, pod_template


def render(document: RunDocument, attempt: Attempt, platform: Platform) -> list[Manifest]:
    """Return the one MPIJob of an attempt."""
    mpi = document.mpi or Mpi()
    workers, slots = document.replicas or 1, mpi.slots_per_worker or 1
    policy = mpi.clean_pod_policy or CleanPodPolicy.RUNNING
    command = _mpirun(document, mpi, processes=workers * slots)
    object_: Manifest = {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": metadata(document, attempt),
        "spec": {
            "slotsPerWorker": slots,
            "launcherCreationPolicy": "WaitForWorkersReady",
            "runPolicy": {
                "cleanPodPolicy": policy.value,
                "backoffLimit": 0,
                "suspend": is_kueues(document),
            },
            "mpiReplicaSpecs": {
                "Launcher": _replicas(document, attempt, Role.LAUNCHER, platform, 1, command),
                "Worker": _replicas(document, attempt, Role.WORKER, platform, workers, []),
            },
        },
    }
    return [object_]


def _replicas(
    document: RunDocument,
    attempt: Attempt,
    role: Role,
    platform: Platform,
    replicas: int,
    command: list[str],
) -> Manifest:
    """Return one role's part; a restart policy in the template would only be warned of."""
    own = placed_role(document, role, platform)
    container = role_container(own, attempt, role, command=command)
    return {
        "replicas": replicas,
        "restartPolicy": NEVER,
        "template": pod_template(own, attempt, role, container),
    }


def _mpirun(document: RunDocument, mpi: Mpi, *, processes: int) -> list[str]:
    """Return the launcher's command: mpirun with its options, then the user's program."""
    options = ["-np", str(processes), *(mpi.args or ())]
    return ["mpirun", *options, *program(document), *arguments(document)]
