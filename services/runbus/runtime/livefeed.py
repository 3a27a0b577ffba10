"""The events of our shards: first where every live run stands, then each event as it is stored.

The start is the bucket `live`; the stream is followed from the last event that the bucket held
when it was read, so that nothing falls between. It must not know what the events mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from runbus.contracts import subjects
from runbus.contracts.leases import ALL_SHARDS
from runbus.contracts.streams import EVENTS, LIVE_BUCKET
from runbus.runtime.errors import PoisonError
from runbus.runtime.logs import Log
from runbus.runtime.runlog import RunRecord, record_of, source_sequence
from runbus.sdk.bus import Bus, StoredMessage
from runbus.sdk.follow import Follower, follow

# A start may bring a hundred thousand runs at once: leases and heartbeats need their turn.
TAKEN_AT_A_TIME = 100
LIVE_STREAM = f"KV_{LIVE_BUCKET}"
# The server says how far it has taken events from the stream, which is ahead of what it has stored
# in the bucket: by those in hand where it is alone, on several servers by what flow control lets be
# under way, 32 MiB, while a majority has not stored it.
IN_HAND_MAX, UNDER_WAY_MAX = 100, 30_000

OnRecord = Callable[[RunRecord], None]
OnUnreadable = Callable[[str, str, int], None]  # project, run id, and the event's sequence


class LiveFeed:
    """Where the runs of some shards stand, kept up to date.

    `loaded` once the bucket is read, `up_to_date` once the events that it lacked are told as well.
    `on_unreadable` is told of each run whose event cannot be read; without it, the log alone is.
    """

    def __init__(
        self,
        bus: Bus,
        shards: Sequence[str] | None,
        log: Log,
        *,
        on_unreadable: OnUnreadable | None = None,
    ) -> None:
        self._bus = bus
        self._shards = shards
        self._log = log
        self._on_unreadable = on_unreadable
        self.loaded = asyncio.Event()
        self.up_to_date = asyncio.Event()
        self._next_sequence = 0
        self._ahead: dict[str, int] = {}  # shards that have come further, to which event
        self._all_ahead_until = 0
        self._follower: Follower | None = None

    def select(self, shards: Sequence[str] | None) -> None:
        """Follow these shards from the next `run` on; it goes on where the last one ended."""
        self._shards = shards

    def absorb(self, other: LiveFeed) -> None:
        """Follow another feed's shards as well from the next `run` on, each event once.

        Neither runs, both are loaded. The stream is followed from where the one that had come less
        far ended; what the other one has told already is passed over. `select` comes next.
        """
        reached = {**self._reached(), **other._reached()}
        self._next_sequence = min(self._next_sequence, other._next_sequence)
        self._ahead = {each: to for each, to in reached.items() if to > self._next_sequence}
        self._all_ahead_until = max(self._ahead.values(), default=0)
        self._shards = sorted(reached)

    def _reached(self) -> dict[str, int]:
        """Return the next event of each shard."""
        reached = self._next_sequence
        shards = ALL_SHARDS if self._shards is None else self._shards
        return {each: max(reached, self._ahead.get(each, 0)) for each in shards}

    def ready_problem(self) -> str | None:
        """Return why the feed is not complete, or does not go on."""
        if not self.loaded.is_set():
            return "the live runs are not loaded yet"
        return self._follower.problem if self._follower is not None else None

    async def run(self, on_record: OnRecord) -> None:
        """Load, then follow, until cancelled; run again, it only follows."""
        if not self.loaded.is_set():
            self._next_sequence = await self._load(on_record)
            self.loaded.set()
        async with follow(
            self._bus, EVENTS, self._event_filters(), next_sequence=self._next_sequence
        ) as follower:
            self._follower = follower
            while True:
                if follower.caught_up:
                    self.up_to_date.set()
                for number, message in enumerate(await follower.next_batch(), start=1):
                    if message.sequence >= self._all_ahead_until or self._is_news(message):
                        self._take(message, message.sequence, on_record)
                    self._next_sequence = message.sequence + 1
                    if number % TAKEN_AT_A_TIME == 0:
                        await asyncio.sleep(0)

    async def _load(self, on_record: OnRecord) -> int:
        """Read the bucket; return the sequence of the first event that it may not hold."""
        sourced = await self._sourced()  # asked before the bucket is read
        loaded = 0
        async with follow(self._bus, LIVE_STREAM, self._bucket_filters()) as follower:
            while not follower.caught_up:
                batch = await follower.next_batch(timeout_s=0.5)
                if not batch:
                    await follower.ask_pending()
                for message in batch:
                    sequence = source_sequence(message)
                    sourced = max(sourced, sequence)
                    loaded += 1
                    self._take(message, sequence, on_record)
                    if loaded % TAKEN_AT_A_TIME == 0:
                        await asyncio.sleep(0)
        self._log.info("live runs loaded", runs=loaded, next_sequence=sourced + 1)
        return sourced + 1

    async def _sourced(self) -> int:
        """Return an event up to which all are in the bucket, as its leader has it (ADR-0033)."""
        info = await self._bus.api(f"STREAM.INFO.{LIVE_STREAM}")
        taken = int((info.get("sources") or [{}])[0].get("seq") or 0)
        newest = await self._bus.last_message(LIVE_STREAM, f"$KV.{LIVE_BUCKET}.>")
        stored = source_sequence(newest) if newest is not None else 0
        is_alone = not (info.get("cluster") or {}).get("replicas")
        # Where the newest one is much older, those after it were of runs that are over by now.
        return max(stored, taken - (IN_HAND_MAX if is_alone else UNDER_WAY_MAX))

    def _is_news(self, message: StoredMessage) -> bool:
        shard = message.subject.split(".")[5:6]
        return message.sequence >= self._ahead.get("".join(shard), 0)

    def _take(self, message: StoredMessage, sequence: int, on_record: OnRecord) -> None:
        try:
            on_record(record_of(message, sequence=sequence))
        except PoisonError as error:
            self._log.error("unreadable event", sequence=sequence, error=str(error))
            if self._on_unreadable is not None:
                project, run_id = _run_of(message.subject)
                # No run has such a name: nothing waits for it, and nobody could look it up.
                if subjects.is_project(project) and subjects.is_run_id(run_id):
                    self._on_unreadable(project, run_id, sequence)
        except Exception as error:  # noqa: BLE001 - a message loop's one: one event must not stop all
            self._log.exception("event not taken", sequence=sequence, error=type(error).__name__)

    def _event_filters(self) -> list[str]:
        if self._shards is None:
            return [subjects.events_of_project()]
        return [subjects.events_of_shard(shard) for shard in self._shards]

    def _bucket_filters(self) -> list[str]:
        if self._shards is None:
            return [f"$KV.{LIVE_BUCKET}.>"]
        return [f"$KV.{LIVE_BUCKET}.{shard}.>" for shard in self._shards]


def _run_of(subject: str) -> tuple[str, str]:
    """Return project and run id from the subject of an event or of an entry of the bucket.

    `runbus.v1.run.<project>.<run>.<shard>.<type>`, `$KV.live.<shard>.<project>.<run>`.
    """
    tokens = subject.split(".")
    return tokens[3], tokens[4]
