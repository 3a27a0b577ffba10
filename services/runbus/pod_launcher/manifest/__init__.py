"""Manifests: from an effective document to the Kubernetes objects of one attempt.

Consumes: an effective run document (`settings` has judged it), which attempt of which run it is,
and what the operator says of the cluster's nodes. Emits: the objects, as plain mappings, in the
order in which they are created.

Owns: one module a kind (`job`, `mpijob`, `spark`, `dask`, `nuclio`), and what they share: names,
labels and annotations (`metadata`), the container of a role (`container`), volumes (`volumes`),
the pod of a role (`pods`).

Invariants: pure and deterministic: the same document and attempt always give the same objects, so
that "already exists" is success. Nothing given is changed. No secret value can get in: a document
holds references only. Objects hold only fields that the API server knows. Every pod template of
every kind has the run's labels and its priority class. It must not know the bus, the cluster, or
defaults: everything that counts is in the document.
"""

from __future__ import annotations

from typing import assert_never

from runbus.contracts.document import RunDocument
from runbus.contracts.placement import Platform
from runbus.contracts.states import Kind
from runbus.pod_launcher.manifest import dask, job, mpijob, nuclio, spark
from runbus.pod_launcher.manifest.metadata import Attempt, Manifest

__all__ = ["Manifest", "UnavailableKindError", "render"]

_NO_SPOT_NODES = Platform()


class UnavailableKindError(ValueError):
    """A document of a kind that this release does not know; the settings refuse it before."""


def render(
    document: RunDocument,
    *,
    run_id: str,
    attempt: int,
    shard: str,
    namespace: str,
    platform: Platform = _NO_SPOT_NODES,
    order: int = 0,
) -> list[Manifest]:
    """Return the objects of one attempt, in the order in which they are created.

    Args:
        document: the run's effective document, with the settings of its roles still apart.
        run_id: of the run.
        attempt: counted from 1.
        shard: of the run, `00` to `3f`.
        namespace: where its objects go.
        platform: what a spot node is, and what pods with a GPU tolerate.
        order: the stream sequence of the run's accepted event, for functions, which a newer run
            writes over (ADR 0014).

    Raises:
        UnavailableKindError: a document that no validator of this release has accepted.

    """
    which = Attempt(run_id=run_id, number=attempt, shard=shard, namespace=namespace, order=order)
    match document.kind:
        case Kind.JOB:
            return job.render(document, which, platform)
        case Kind.MPIJOB:
            return mpijob.render(document, which, platform)
        case Kind.SPARK:
            return spark.render(document, which, platform)
        case Kind.DASK:
            return dask.render(document, which, platform)
        case Kind.NUCLIO | Kind.SERVING:
            return nuclio.render(document, which, platform)
        case Kind.UNKNOWN | None:
            kind = document.kind.value if document.kind is not None else "none"
            text = f"kind {kind} cannot be rendered by this release"
            raise UnavailableKindError(text)
        case _:
            assert_never(document.kind)
