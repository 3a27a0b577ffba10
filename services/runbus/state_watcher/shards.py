"""PURE: who holds which shards, and which a replica should claim or release.

Every replica computes the same from the same view, so nobody has to lead. Must not know: the bus,
or how a claim is stored (ADR 27).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from runbus.contracts.leases import ALL_SHARDS, ShardLease

# Replica -> its shards, in the order in which it got them.
Holders = Mapping[str, Sequence[str]]


class Plan(Struct, frozen=True):
    """What a replica should do about its shards now. At most one of the two is not empty."""

    claim: tuple[str, ...] = ()
    release: tuple[str, ...] = ()


class Origin(StrEnum):
    """How shards came to their owner: from nobody, handed over, or after a lease had run out."""

    FREE = "free"
    HANDED_OVER = "handed_over"
    TAKEN_OVER = "taken_over"


def plan(holders: Holders, replica: str) -> Plan:
    """Return what a replica has to claim or release for its fair share.

    The shares differ by one at most. Who holds too many lets go of those that came last; free ones
    are dealt in the order of names. Nobody moves a shard from a replica that does not hold too
    many, so that as few move as can be.

    Args:
        holders: every replica that is there, this one too.
        replica: whose plan it is.

    """
    shares = shares_of(holders)
    mine = holders[replica]
    surplus = len(mine) - shares[replica]
    if surplus > 0:
        return Plan(release=tuple(mine[-surplus:]))
    taken = {shard for shards in holders.values() for shard in shards}
    free = [shard for shard in ALL_SHARDS if shard not in taken]
    for name in sorted(holders):
        lacking = max(0, shares[name] - len(holders[name]))
        if name == replica:
            return Plan(claim=tuple(free[:lacking]))
        free = free[lacking:]
    return Plan()


def shares_of(holders: Holders) -> dict[str, int]:
    """Return how many shards each replica should have: who has most keeps the odd ones."""
    least, odd = divmod(len(ALL_SHARDS), len(holders))
    ranked = sorted(holders, key=lambda name: (-len(holders[name]), name))
    return {name: least + (place < odd) for place, name in enumerate(ranked)}


class Holding(Struct, frozen=True):
    """What a replica's key said last: its sequence in the bucket, and when it was heard of."""

    sequence: int
    lease: ShardLease
    heard_at: float


class Ledger:
    """Every replica's shards, as the bucket's messages tell them, in order.

    `sequence` is that of the newest message taken. Times are seconds of a clock that never jumps.
    """

    def __init__(self, silent_max_s: float) -> None:
        self._silent_max_s = silent_max_s
        self._holdings: dict[str, Holding] = {}
        self._origins: dict[str, Origin] = {}
        self.sequence = 0

    def holders(self, *, but: str = "") -> dict[str, tuple[str, ...]]:
        """Return the shards of every replica, or of every other one."""
        return {name: each.lease.shards for name, each in self._holdings.items() if name != but}

    def origin(self, shard: str) -> Origin:
        """Return how a shard that is free became so."""
        return self._origins.get(shard, Origin.FREE)

    def take(self, name: str, sequence: int, lease: ShardLease, now_s: float) -> bool:
        """Take what a replica has written; return whether it holds anything else than before."""
        self.sequence = max(self.sequence, sequence)
        return self.take_own(name, sequence, lease, now_s)

    def take_own(self, name: str, sequence: int, lease: ShardLease, now_s: float) -> bool:
        """Take what this replica has written, ahead of the message about it."""
        known = self._holdings.get(name)
        if known is not None and sequence < known.sequence:
            return False
        self._holdings[name] = Holding(sequence, lease, now_s)
        before = known.lease.shards if known is not None else None
        for shard in set(before or ()) - set(lease.shards):
            self._origins[shard] = Origin.HANDED_OVER
        return before != lease.shards

    def take_end(self, name: str, sequence: int, *, ran_out: bool) -> bool:
        """Take that a replica's key is gone; return whether it was known."""
        self.sequence = max(self.sequence, sequence)
        known = self._holdings.get(name)
        if known is None or sequence < known.sequence:
            return False
        self._forget(name, Origin.TAKEN_OVER if ran_out else Origin.HANDED_OVER)
        return True

    def silent(self, now_s: float) -> dict[str, int]:
        """Return the replicas not heard of for longer than a lease lives, with their sequences.

        The mark that an expired key leaves goes after 5 s, and with it what a follower that was
        away for longer could learn from: somebody has to ask whether the key is there.
        """
        return {
            name: each.sequence
            for name, each in self._holdings.items()
            if now_s - each.heard_at > self._silent_max_s
        }

    def forget(self, name: str, sequence: int) -> None:
        """Forget a replica whose key is not there, unless it has written since that sequence."""
        known = self._holdings.get(name)
        if known is not None and known.sequence == sequence:
            self._forget(name, Origin.TAKEN_OVER)

    def _forget(self, name: str, origin: Origin) -> None:
        for shard in self._holdings.pop(name).lease.shards:
            self._origins[shard] = origin
