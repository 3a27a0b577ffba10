"""Manifests: from an effective document to the Kubernetes objects of one attempt.

Consumes: an effective run document (`settings` has judged it), and which attempt of which run it
is. Emits: the objects to create, as plain mappings, the run's own first.

Owns: one module a kind (`job`), and what they share: names, labels and annotations (`metadata`),
the main container (`container`), volumes (`volumes`).

Invariants: pure and deterministic: the same document and attempt always give the same objects, so
that "already exists" is success. Nothing given is changed. No secret value can get in: a document
holds references only. Objects hold only fields that the API server knows. It must not know the
bus, the cluster, or defaults: everything that counts is in the document.
"""

from __future__ import annotations

from typing import assert_never

from runbus.contracts.document import RunDocument
from runbus.contracts.placement import Platform
from runbus.contracts.states import Kind
from runbus.pod_launcher.manifest import job
from runbus.pod_launcher.manifest.metadata import Attempt, Manifest
from runbus.settings.placing import placed

__all__ = ["Manifest", "UnavailableKindError", "render"]


class UnavailableKindError(ValueError):
    """A document of a kind that this release cannot render; the settings refuse it before."""


def render(
    document: RunDocument,
    *,
    run_id: str,
    attempt: int,
    shard: str,
    namespace: str,
    platform: Platform = Platform(),  # noqa: B008 -- frozen
) -> list[Manifest]:
    """Return the objects of one attempt, in the order in which they are created.

    Args:
        document: an effective document.
        run_id: of 12 characters.
        attempt: its number, from 1.
        shard: two hex digits.
        namespace: where the objects are.
        platform: the cluster's nodes when the run was accepted.

    Raises:
        UnavailableKindError: a document that no validator of this release has accepted.

    """
    which = Attempt(run_id=run_id, number=attempt, shard=shard, namespace=namespace)
    match document.kind:
        case Kind.JOB:
            return job.render(placed(document, platform), which)
        case (
            Kind.MPIJOB | Kind.SPARK | Kind.DASK | Kind.NUCLIO | Kind.SERVING | Kind.UNKNOWN | None
        ):
            kind = document.kind.value if document.kind is not None else "none"
            text = f"kind {kind} cannot be rendered by this release"
            raise UnavailableKindError(text)
        case _:
            assert_never(document.kind)
