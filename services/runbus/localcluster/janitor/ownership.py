"""What becomes of an object whose owners are gone or going. Pure.

Rules: k8s.io/kubernetes/pkg/controller/garbagecollector.
"""

from collections.abc import Iterable
from enum import StrEnum

from runbus.localcluster.rules.shapes import Meta, OwnerReference

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


class OwnerState(StrEnum):
    """How an owner stands."""

    THERE = "there"  # or of a kind that is not served here: nothing is known of it
    WAITING = "waiting"  # deleted in the foreground: it waits for its dependents
    GONE = "gone"


class Fate(StrEnum):
    """What is to be done with a dependent."""

    KEEP = "keep"
    FORGET = "forget"  # some owners are gone, others are there: the references to those go
    DELETE = "delete"
    DELETE_FOREGROUND = "delete foreground"


def state_of_owner(owner: Meta) -> OwnerState:
    """How an owner that exists stands."""
    if owner.deletion_timestamp and FOREGROUND in (owner.finalizers or ()):
        return OwnerState.WAITING
    return OwnerState.THERE


def fate(states: Iterable[OwnerState], has_dependents: bool) -> Fate:
    """Decide on a dependent by how its owners stand."""
    every = list(states)
    if not every:
        return Fate.KEEP
    if OwnerState.THERE in every:
        gone = [each for each in every if each is not OwnerState.THERE]
        return Fate.FORGET if gone else Fate.KEEP
    if OwnerState.WAITING in every and has_dependents:
        return Fate.DELETE_FOREGROUND
    return Fate.DELETE


def without(references: Iterable[OwnerReference], uids: Iterable[str]) -> list[OwnerReference]:
    """References but those to some owners."""
    gone = set(uids)
    return [each for each in references if each.uid not in gone]


def blocks(dependent: Meta, owner_uid: str) -> bool:
    """Whether a dependent holds up its owner's deletion in the foreground."""
    return any(
        each.uid == owner_uid and bool(each.block_owner_deletion)
        for each in dependent.owner_references or ()
    )
