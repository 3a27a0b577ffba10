"""The lease of one replica: one key that names its shards, changed as replicas come and go.

A renewal is compared with the key's own last sequence, a claim with that of all replicas' keys: it
is stored only if nobody else has written since what it was judged by. So no two keys that are there
name one shard, and one message in half a second keeps them all (ADR 27). It must not know runs.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from runbus.contracts import codec
from runbus.contracts.leases import ShardLease, read_shard_lease, replica_of, watcher_key
from runbus.contracts.subjects import ANY
from runbus.runtime.clock import Clock
from runbus.runtime.errors import FatalError
from runbus.runtime.leases import (
    MARGIN_S,
    RENEW_S,
    STREAM,
    TTL_S,
    LeaseKey,
    has_ended,
    has_run_out,
    lease_subject,
)
from runbus.runtime.logs import Log
from runbus.sdk.bus import Bus, StoredMessage
from runbus.sdk.errors import BusError, WrongSequenceError
from runbus.sdk.follow import Follower, follow
from runbus.state_watcher.shards import Ledger, Origin, plan

AGAIN_S = 0.05
FAILED_AGAIN_S = 0.2
STEP_MAX_S = 2 * RENEW_S
# After the bus was away every replica finds its own shards free: each is given time to take them
# again, instead of the fastest taking all and handing them back.
PATIENCE_S = 2 * TTL_S
# A replica silent for so long is asked about: it may be gone without our having heard of it.
SILENT_MAX_S = TTL_S + 1.0
_KEYS = watcher_key("").rstrip(".")
_ALL = lease_subject(f"{_KEYS}.{ANY}")


class Owner(Protocol):
    """Who looks after the shards that are ours. Both calls do what has to be done at once."""

    def gain(self, shards: tuple[str, ...], origin: Origin) -> None:
        """Begin with shards: the lease on them is stored."""
        ...

    def drop(self, shards: tuple[str, ...]) -> None:
        """End with shards: no timer of theirs fires any more when this returns."""
        ...


class SharedLease:
    """The lease of one replica. `shards` are those that are ours, while `is_valid`."""

    def __init__(self, bus: Bus, replica: str, process: str, clock: Clock, log: Log) -> None:
        self._bus = bus
        self._clock = clock
        self._key = LeaseKey(bus, watcher_key(replica))
        self._name = replica_of(watcher_key(replica)) or replica
        self._process = process
        self._log = log.bind(replica=self._name)
        self._ledger = Ledger(SILENT_MAX_S)
        self._news = asyncio.Event()
        self._ended = asyncio.Event()
        self._revision = 0  # 0: our key is not there, or nobody knows
        self._has_joined = False
        self._valid_until = self._due_at = self._claims_from = 0.0
        self.shards: tuple[str, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether our shards cannot be another's yet, by our own clock."""
        return self._clock.monotonic() < self._valid_until

    def ready_problem(self) -> str | None:
        """Return why there is nothing to do for this replica."""
        if not self.is_valid:
            return "the lease is not renewed"
        return None if self.shards else "standing by: other replicas hold all shards"

    async def keep(self, owner: Owner, stopping: asyncio.Event) -> None:
        """Hold a fair share of the shards until `end`; once stopping, only what is held.

        Raises:
            FatalError: another process has begun under this replica's name.

        """
        async with follow(self._bus, STREAM, [_ALL]) as follower, asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self._read(follower))
            while not self._ended.is_set():
                self._news.clear()
                await self._wait(await self._step(owner, stopping))
            reading.cancel()

    def end(self) -> None:
        """Have `keep` come to its end."""
        self._ended.set()
        self._news.set()

    async def release(self) -> None:
        """Let all shards go at once."""
        revision, self._revision, self._valid_until = self._revision, 0, 0.0
        if revision:
            await self._key.delete(revision)

    # What the others do.

    async def _read(self, follower: Follower) -> None:
        while True:
            for message in await follower.next_batch():
                if self._take(message):
                    self._news.set()

    def _take(self, message: StoredMessage) -> bool:
        name = replica_of(message.subject.removeprefix(lease_subject(""))) or ""
        if has_ended(message):
            ran_out = has_run_out(message)
            return self._ledger.take_end(name, message.sequence, ran_out=ran_out)
        lease = read_shard_lease(message.data) or ShardLease(process="")
        return self._ledger.take(name, message.sequence, lease, self._clock.monotonic())

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass

    # What we do.

    async def _step(self, owner: Owner, stopping: asyncio.Event) -> float:
        """Do what is due; return after how many seconds to look again if nothing happens."""
        try:
            async with asyncio.timeout(STEP_MAX_S):
                if not self._revision:
                    await self._look_up(owner)
                await self._forget_silent()
                await self._change(owner, may_claim=not stopping.is_set())
        except WrongSequenceError:
            self._revision = 0
            return AGAIN_S
        except (BusError, TimeoutError) as error:
            self._revision = 0
            self._log.warning("lease not renewed", error=str(error))
            return FAILED_AGAIN_S
        return max(self._due_at - self._clock.monotonic(), AGAIN_S)

    async def _look_up(self, owner: Owner) -> None:
        """Find out what became of our key: a write may have been stored without our knowing."""
        stored = await self._key.read()
        lease = read_shard_lease(stored.data) if stored and not has_ended(stored) else None
        if stored is None or lease is None:
            return  # it ran out, or was never there
        if lease.process == self._process:
            self._revision = stored.sequence
            self._adopt(owner, lease.shards, stored.sequence)
        elif self._has_joined:
            text = f"another process runs as replica {self._name}; give each its own instance name"
            raise FatalError(text)

    def _adopt(self, owner: Owner, shards: tuple[str, ...], sequence: int) -> None:
        """Take for ours what our key says."""
        origins = {shard: self._ledger.origin(shard) for shard in shards}
        gained = [shard for shard in shards if shard not in self.shards]
        lost = tuple(shard for shard in self.shards if shard not in shards)
        now_s = self._clock.monotonic()
        lease = ShardLease(process=self._process, shards=shards)
        self._ledger.take_own(self._name, sequence, lease, now_s)
        if lost:
            owner.drop(lost)
        self.shards = shards
        for origin in Origin:
            of_origin = tuple(shard for shard in gained if origins[shard] is origin)
            if of_origin:
                self._log.info("shards gained", shards=len(of_origin), origin=origin.value)
                owner.gain(of_origin, origin)

    async def _forget_silent(self) -> None:
        """Forget replicas that are gone without our having heard of it; the bus knows.

        A key can outlive its time while the bus has no leader, and be renewed after all.
        """
        for name, sequence in self._ledger.silent(self._clock.monotonic()).items():
            stored = await LeaseKey(self._bus, watcher_key(name)).read()
            if stored is None or has_ended(stored):
                self._ledger.forget(name, sequence)

    async def _change(self, owner: Owner, *, may_claim: bool) -> None:
        known, others = self._ledger.sequence, self._ledger.holders(but=self._name)
        self._keep_free(owner, others)
        planned = plan({**others, self._name: self.shards}, self._name)
        if planned.release and self._revision:
            self._log.info("shards released", shards=len(planned.release))
            owner.drop(planned.release)
            self.shards = self.shards[: -len(planned.release)]
            await self._store(owner, self.shards, self._revision)
            return
        if self._has_joined and not self._revision:  # ours ran out, so others' may have as well
            self._claims_from = self._clock.monotonic() + PATIENCE_S
        is_patient = self._clock.monotonic() < self._claims_from
        claim = planned.claim if may_claim and not is_patient else ()
        if (claim or not self._revision) and await self._claim(owner, self.shards + claim, known):
            return
        if self._revision and self._clock.monotonic() >= self._due_at:
            await self._store(owner, self.shards, self._revision)

    def _keep_free(self, owner: Owner, others: dict[str, tuple[str, ...]]) -> None:
        """Let go of what others hold: they claimed it when our key had run out."""
        taken = {shard for shards in others.values() for shard in shards}
        lost = tuple(shard for shard in self.shards if shard in taken)
        if lost:
            self._log.warning("shards lost", shards=len(lost))
            owner.drop(lost)
            self.shards = tuple(shard for shard in self.shards if shard not in taken)

    async def _claim(self, owner: Owner, shards: tuple[str, ...], known: int) -> bool:
        """Store more shards than our key has, if nobody has written since `known`.

        What was judged by must have been the newest: the ledger goes on while the bus is asked.
        """
        newest = await self._bus.last_message(STREAM, _ALL)
        sequence = newest.sequence if newest is not None else 0
        if sequence > known:
            return False  # the message that we lack is on its way
        await self._store(owner, shards, sequence, guard=_ALL)
        return True

    async def _store(
        self, owner: Owner, shards: tuple[str, ...], expected: int, *, guard: str = ""
    ) -> None:
        asked_at = self._clock.monotonic()
        data = codec.encode(ShardLease(process=self._process, shards=shards))
        self._revision = await self._key.write(data, expected, guard=guard)
        self._has_joined = True
        self._valid_until = asked_at + TTL_S - MARGIN_S
        self._due_at = asked_at + RENEW_S
        self._adopt(owner, shards, self._revision)
