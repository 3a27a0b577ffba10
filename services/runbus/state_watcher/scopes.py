"""What is watched: each namespace, or all of them, and how far the lists of each have come.

A pod that was last seen before the newest complete list of its shard had begun is one that this
list did not show. Counting lists is all that takes: nothing is held of what a list has shown.
Shards that were gained later are listed later, so that each has its own newest complete list. It
must not know runs or pods.
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
        self._unreachable: set[str] = set()
        self._reconnected_at: dict[str, datetime] = {}

    def begin_list(self, scope: str) -> int:
        """Note that a list of a scope has begun; return its number."""
        self._begun[scope] += 1
        return self._begun[scope]

    def complete_list(self, scope: str, number: int, shards: Collection[str]) -> None:
        """Note that a list of some shards is in, as a whole."""
        self._complete[scope].update(dict.fromkeys(shards, number))

    def forget(self, shards: Collection[str]) -> None:
        """Forget how far the lists of some shards have come."""
        for complete in self._complete.values():
            for shard in shards:
                complete.pop(shard, None)

    def set_reachable(self, scope: str, reachable: bool, now: datetime) -> bool:
        """Note whether the API server answers; return whether it does so again."""
        if not reachable:
            self._unreachable.add(scope)
            return False
        was_unreachable = scope in self._unreachable
        self._unreachable.discard(scope)
        if was_unreachable:
            self._reconnected_at[scope] = now
        return was_unreachable

    def reconnected_at(self, namespace: str) -> datetime | None:
        """Return when the API server last answered again; None if it always did."""
        return self._reconnected_at.get(self._of(namespace))

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

    def is_reachable(self, namespace: str) -> bool:
        """Whether the API server answers."""
        return self._of(namespace) not in self._unreachable

    def _of(self, namespace: str) -> str:
        return namespace if namespace in self._all else EVERYWHERE
