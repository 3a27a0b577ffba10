"""What is watched: each namespace, or all of them, how far lists have come, and who answers.

A pod that was last seen before the newest complete list of its shard had begun is one that this
list did not show. Counting lists is all that takes: nothing is held of what a list has shown.
Shards that were gained later are listed and watched for themselves at first, so that each has its
own newest complete list, and is unreachable or not by its own watch. It must not know runs or pods.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

EVERYWHERE = ""  # the scope of a watch over all namespaces


class Scopes:
    """The scopes of the watches. A namespace belongs to its own scope, or to all namespaces'."""

    def __init__(self, scopes: Collection[str]) -> None:
        self._all = frozenset(scopes)
        self._begun = dict.fromkeys(scopes, 0)
        self._complete: dict[str, dict[str, int]] = {scope: {} for scope in scopes}
        self._unreachable: dict[str, set[str]] = {scope: set() for scope in scopes}
        self._reconnected_at: dict[str, dict[str, datetime]] = {scope: {} for scope in scopes}

    def begin_list(self, scope: str) -> int:
        """Note that a list of a scope has begun; return its number."""
        self._begun[scope] += 1
        return self._begun[scope]

    def complete_list(self, scope: str, number: int, shards: Collection[str]) -> None:
        """Note that a list of some shards is in, as a whole."""
        self._complete[scope].update(dict.fromkeys(shards, number))

    def forget(self, shards: Collection[str]) -> None:
        """Forget how far the lists of some shards have come, and who did not answer about them."""
        for complete in self._complete.values():
            for shard in shards:
                complete.pop(shard, None)
        for unreachable in self._unreachable.values():
            unreachable.difference_update(shards)

    def set_reachable(
        self, scope: str, reachable: bool, now: datetime, shards: Collection[str]
    ) -> frozenset[str]:
        """Note whether the watch of some shards is answered; return those that are so again."""
        unreachable = self._unreachable[scope]
        if not reachable:
            unreachable.update(shards)
            return frozenset()
        again = frozenset(unreachable.intersection(shards))
        unreachable -= again
        self._reconnected_at[scope].update(dict.fromkeys(again, now))
        return again

    def reconnected_at(self, namespace: str, shard: str) -> datetime | None:
        """Return when the API server last answered again; None if it always did."""
        return self._reconnected_at.get(self._of(namespace), {}).get(shard)

    def listing(self, namespace: str) -> int:
        """Return the number of the list that was begun last: what is seen now belongs to it."""
        return self._begun.get(self._of(namespace), 0)

    def complete(self, namespace: str, shard: str) -> int:
        """Return the number of the newest list that is in as a whole; 0 while there is none."""
        return self._complete.get(self._of(namespace), {}).get(shard, 0)

    def is_watched(self, namespace: str) -> bool:
        """Whether a watch tells of this namespace."""
        return self._of(namespace) in self._all

    def is_synced(self, namespace: str, shard: str) -> bool:
        """Whether the first list is in; of what is not watched none will come."""
        complete = self._complete.get(self._of(namespace))
        return complete is None or shard in complete

    def is_reachable(self, namespace: str, shard: str) -> bool:
        """Whether the API server answers the watch of a shard."""
        return shard not in self._unreachable.get(self._of(namespace), ())

    def _of(self, namespace: str) -> str:
        return namespace if namespace in self._all else EVERYWHERE
