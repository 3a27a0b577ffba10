"""Leases: who owns what, in the bucket `leases`.

A lease is a key with a time to live, created once and renewed by compare-and-set; its revision is
the fencing token. Written as raw messages, because the client library's key-value `get` and
`create` do not see the marker that an expired key leaves (reference: pitfall 3 of the client).
"""

from __future__ import annotations

import asyncio
import contextlib

from runbus.contracts.streams import LEASES_BUCKET
from runbus.runtime.clock import Clock
from runbus.runtime.errors import FatalError
from runbus.runtime.logs import Log
from runbus.sdk.bus import EXPECTED_SEQUENCE, EXPECTED_SUBJECT, Bus, StoredMessage
from runbus.sdk.errors import BusError, WrongSequenceError

# A dead owner's work is another's within 3 s: its last lease, and the start of the other. Whole
# seconds, as the server counts them.
TTL_S = 2
RENEW_S = 0.5
# An owner stops so long before its lease can be another's.
MARGIN_S = 0.1
# What a lease that was let go leaves is read by followers, and then goes too.
RELEASED_TTL_S = 60
STREAM = f"KV_{LEASES_BUCKET}"
_TTL_HEADER = "Nats-TTL"
_OPERATION = "KV-Operation"
_MARKER = "Nats-Marker-Reason"


class LeaseKey:
    """One key of the bucket, written by compare-and-set, with a time to live."""

    def __init__(self, bus: Bus, key: str) -> None:
        self._bus = bus
        self.subject = lease_subject(key)

    async def read(self) -> StoredMessage | None:
        """Return the key's newest message, from the leader; `has_ended` says what it means."""
        return await self._bus.last_message(STREAM, self.subject)

    async def write(self, data: bytes, expected: int, *, guard: str = "") -> int:
        """Store the key; return its sequence.

        Args:
            data: what it holds.
            expected: the sequence of the newest message on `guard`; 0 for none.
            guard: a wildcard that covers the key; by default the key alone.

        Raises:
            WrongSequenceError: somebody else was faster.
            BusError: see `Bus.publish`.

        """
        headers = {EXPECTED_SEQUENCE: str(expected), _TTL_HEADER: f"{TTL_S}s"}
        if guard:
            headers[EXPECTED_SUBJECT] = guard
        return await self._bus.publish(self.subject, data, headers, timeout_s=RENEW_S)

    async def delete(self, expected: int) -> None:
        """Let the key go at once; where that fails, it goes by itself."""
        headers = {
            EXPECTED_SEQUENCE: str(expected),
            _OPERATION: "DEL",
            _TTL_HEADER: f"{RELEASED_TTL_S}s",
        }
        with contextlib.suppress(BusError):
            await self._bus.publish(self.subject, b"", headers)


def lease_subject(key: str) -> str:
    """Return the subject of a key of the bucket, or of a wildcard over keys."""
    return f"$KV.{LEASES_BUCKET}.{key}"


def has_ended(message: StoredMessage) -> bool:
    """Whether a message says that its key is gone: let go, or run out."""
    return has_run_out(message) or message.headers.get(_OPERATION) in {"DEL", "PURGE"}


def has_run_out(message: StoredMessage) -> bool:
    """Whether a message is the mark that an expired key leaves."""
    return _MARKER in message.headers


class Lease:
    """One key that at most one process holds."""

    def __init__(self, bus: Bus, key: str, owner: str, clock: Clock, log: Log) -> None:
        self._key = LeaseKey(bus, key)
        self._owner = owner.encode()
        self._clock = clock
        self._log = log.bind(lease=key)
        self.revision = 0
        self._renewed_at = 0.0
        self._stands_by = False

    @property
    def is_held(self) -> bool:
        """Whether the lease is ours, by our own clock."""
        held_s = self._clock.monotonic() - self._renewed_at
        return self.revision > 0 and held_s < TTL_S - MARGIN_S

    def ready_problem(self) -> str | None:
        """Return why nobody is known to hold the lease.

        A standby is ready: a Deployment whose replicas could not all be ready would never be
        rolled out. Which replica is the active one, the metric `lease_held` tells.
        """
        return None if self.is_held or self._stands_by else "the lease is not held"

    async def acquire(self, stopping: asyncio.Event) -> bool:
        """Wait until the lease is ours; False when told to stop first."""
        waiting = False
        while not stopping.is_set():
            asked_at = self._clock.monotonic()
            try:
                self.revision = await self._take()
                self._stands_by = not self.revision
            except WrongSequenceError:
                self._stands_by = True  # somebody else was faster
            except BusError as error:
                self._stands_by = False
                self._log.warning("lease not reached", error=str(error))
            if self.revision:
                self._renewed_at = asked_at
                self._log.info("lease acquired", revision=self.revision)
                return True
            if not waiting:
                self._log.info("lease is held by another replica")
                waiting = True
            await self._pause(stopping)
        return False

    async def keep(self, stopping: asyncio.Event) -> None:
        """Renew until told to stop.

        A lease that ran out while the bus was away is taken again if nobody else has.

        Raises:
            FatalError: another replica holds it now.

        """
        while not stopping.is_set():
            await self._pause(stopping)
            asked_at = self._clock.monotonic()
            try:
                await self._renew()
                self._renewed_at = asked_at
            except BusError as error:
                self._log.warning("lease not renewed", error=str(error))

    async def _renew(self) -> None:
        try:
            self.revision = await self._write(self.revision)
        except WrongSequenceError:
            self.revision = await self._take()
            if not self.revision:
                text = f"another replica holds the lease {self._key.subject}"
                raise FatalError(text) from None
            self._log.info("lease taken again", revision=self.revision)

    async def release(self) -> None:
        """Let go at once, so that a standby need not wait for the time to live."""
        if self.revision:
            await self._key.delete(self.revision)
            self.revision = 0

    async def _take(self) -> int:
        """Create the lease where nobody holds it; 0 while somebody does."""
        last = await self._key.read()
        if last is None:
            return await self._write(0)
        if has_ended(last):
            return await self._write(last.sequence)
        if last.data == self._owner:  # our own, from before a restart under the same name
            return await self._write(last.sequence)
        return 0

    async def _write(self, expected: int) -> int:
        return await self._key.write(self._owner, expected)

    @staticmethod
    async def _pause(stopping: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(RENEW_S):
                await stopping.wait()
        except TimeoutError:
            pass
