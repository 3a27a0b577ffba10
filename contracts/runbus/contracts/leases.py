"""What replicas of the state-watcher write into the bucket `leases`: who holds which shards.

One key for each replica, with a time to live. A shard belongs to the replica whose key names it,
for as long as that key is there (ADR 27). The scheduler's key holds its owner's name as text.
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct

from runbus.contracts.identity import SHARDS
from runbus.contracts.transitions import Publisher

ALL_SHARDS: tuple[str, ...] = tuple(f"{number:02x}" for number in range(SHARDS))

_SCHEDULERS = Publisher.SCHEDULER.value
_WATCHERS = f"{Publisher.STATE_WATCHER.value}."
_NOT_IN_A_TOKEN = re.compile(r"[^A-Za-z0-9_-]")


class ShardLease(Struct, frozen=True, kw_only=True):
    """The shards of one replica, in the order in which it got them.

    `process` tells a replica from an earlier process under the same name.
    """

    process: str
    shards: tuple[str, ...] = ()


def scheduler_key() -> str:
    """Return the key that the active scheduler holds."""
    return _SCHEDULERS


def watcher_key(replica: str) -> str:
    """Return the key of one replica of the state-watcher; any text can be its name."""
    return _WATCHERS + _NOT_IN_A_TOKEN.sub("_", replica)


def watcher_keys() -> str:
    """Return the wildcard over the keys of every replica of the state-watcher."""
    return _WATCHERS + "*"


def replica_of(key: str) -> str | None:
    """Return the replica whose key this is; None for keys of other services."""
    return key.removeprefix(_WATCHERS) if key.startswith(_WATCHERS) else None


def read_shard_lease(data: bytes) -> ShardLease | None:
    """Return what a replica wrote; None where it cannot be read."""
    try:
        return msgspec.json.decode(data, type=ShardLease)
    except msgspec.MsgspecError:
        return None
