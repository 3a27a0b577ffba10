"""What each kind can have: scaling, a section of its own, thresholds, a queue outside.

Source: the page on settings, sections 1, 2 and 4. It must not know levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from runbus.contracts.document_kinds import DaskMode
from runbus.contracts.labels import NUCLIO_FUNCTION, NUCLIO_PROJECT
from runbus.contracts.states import ROLES_BY_KIND, Kind, Role


class KindRules(Struct, frozen=True, kw_only=True):
    """What a kind can have; `replicas_least` is None where there is nothing to count."""

    section: str | None = None
    replicas_least: int | None = None
    can_scale: bool = False
    is_function: bool = False  # a nuclio function: it stays, and scales by CPU
    is_all_by_role: bool = False  # no pod that the run's own resources could go to
    # Kueue knows no Dask and no Nuclio: their operators copy labels to the pods, and it would gate
    # each pod of a cluster by itself.
    is_kueues: bool = False
    own_labels: tuple[str, ...] = ()  # that its objects have besides those of every run


HTTP_TRIGGER = "http"  # the name of the trigger that every function has
SECTIONS = ("mpi", "spark", "dask", "nuclio")
_FUNCTION = KindRules(
    section="nuclio",
    replicas_least=0,
    can_scale=True,
    is_function=True,
    own_labels=(NUCLIO_PROJECT, NUCLIO_FUNCTION),
)
_RULES: dict[Kind, KindRules] = {
    Kind.JOB: KindRules(is_kueues=True),
    Kind.MPIJOB: KindRules(section="mpi", replicas_least=1, is_kueues=True),
    Kind.SPARK: KindRules(
        section="spark",
        replicas_least=1,
        can_scale=True,
        is_all_by_role=True,
        is_kueues=True,
    ),
    Kind.DASK: KindRules(section="dask", replicas_least=0, can_scale=True),
    Kind.NUCLIO: _FUNCTION,
    Kind.SERVING: _FUNCTION,
}


def rules_of(kind: Kind) -> KindRules:
    """Return what a kind can have; of one that is not known, what a job can."""
    return _RULES.get(kind, KindRules())


def roles_of(kind: Kind, settings: Mapping[str, Any]) -> tuple[Role, ...]:
    """Return the roles that a run has; of dask, only a job has a runner."""
    roles = ROLES_BY_KIND.get(kind, ())
    return roles if is_dask_job(kind, settings) else tuple(r for r in roles if r is not Role.RUNNER)


def is_dask_job(kind: Kind, settings: Mapping[str, Any]) -> bool:
    """Say whether a run of kind dask ends by itself."""
    mode = (settings.get("dask") or {}).get("mode")
    return kind is Kind.DASK and mode == DaskMode.JOB.value


def stays(kind: Kind, settings: Mapping[str, Any]) -> bool:
    """Say whether a run stays until somebody aborts or replaces it: it has no thresholds."""
    is_cluster = kind is Kind.DASK and not is_dask_job(kind, settings)
    return is_cluster or rules_of(kind).is_function
