"""A nats-server with JetStream in memory: subjects, streams, and what can go wrong.

`BusFaults` says what is lost or late, beside what is lost with a connection (`links`). Every random
number comes from the one generator given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

from msgspec import Struct

from simulation.bus.api import Api
from simulation.bus.client import SimSubscription
from simulation.bus.consumers import PullConsumer, PushConsumer
from simulation.bus.links import RECONNECT_S, Headers, Link
from simulation.bus.patterns import matcher
from simulation.bus.streams import RefusedError, Source, Stored, Stream
from simulation.loop import EPOCH, START_S, VirtualLoop

NO_HEADERS: Headers = {}
AHEAD_MAX = 5
EPOCH_NS = int(EPOCH.timestamp()) * 1_000_000_000


class BusFaults(Struct):
    """How often and how long things go wrong now. All off by default."""

    lose_request: float = 0.0  # an API request or publish never arrives
    lose_answer: float = 0.0  # it is carried out, and the answer never arrives
    lose_ack: float = 0.0  # the acknowledgement of a delivery never arrives
    deliver_twice: float = 0.0  # a delivery comes again at once
    latency_s: float = 0.002  # one way, at most
    copy_delay_s: float = 0.003  # until a sourced bucket follows, at most
    apply_delay_s: float = 0.0  # until a stream's leader has what its followers deliver, at most


class SimServer:
    """The server. `guards` and `true_sequences` False plant bugs."""

    def __init__(
        self,
        loop: VirtualLoop,
        random: Random,
        faults: BusFaults | None = None,
        *,
        guards: bool = True,
        true_sequences: bool = True,
    ) -> None:
        self.loop = loop
        self.random = random
        self.faults = faults or BusFaults()
        self.guards = guards
        self.true_sequences = true_sequences
        self.is_up = True
        self.links: list[Link] = []
        self.streams: dict[str, Stream] = {}
        self.sources: list[Source] = []
        self.pulls: dict[tuple[str, str], PullConsumer] = {}
        self.pushes: dict[tuple[str, str], PushConsumer] = {}
        self.problems: list[str] = []
        self.on_stored: list[Callable[[Stream, Stored], None]] = []
        self._exact: dict[str, list[tuple[Link, SimSubscription]]] = {}
        self._patterns: dict[str, list[tuple[Link, SimSubscription]]] = {}
        self._copying = False
        self._expiry: asyncio.TimerHandle | None = None
        self._api = Api(self)

    # Time and chance.

    def now_s(self) -> float:
        """Return the virtual seconds."""
        return self.loop.time()

    def wall_ns(self) -> int:
        """Return the virtual time of day in nanoseconds."""
        return EPOCH_NS + int((self.loop.time() - START_S) * 1e9)

    @staticmethod
    def time_text(time_ns: int) -> str:
        """Return a moment as JetStream writes it."""
        moment = EPOCH + timedelta(microseconds=(time_ns - EPOCH_NS) // 1000)
        return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"

    def after(self, delay_s: float, call: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Have something happen later."""
        return self.loop.in_world(self.loop.time() + delay_s, call, *args)

    def latency_s(self) -> float:
        """Return how long one way takes this time."""
        return self.random.random() * self.faults.latency_s

    def happens(self, probability: float) -> bool:
        """Draw whether a fault happens."""
        return probability > 0 and self.random.random() < probability

    # Connections.

    def connect(self, name: str, generation: Callable[[], None] = lambda: None) -> Link:
        """Make a connection."""
        link = Link(self, name, generation)
        self.links.append(link)
        if not link.is_up:
            self.after(RECONNECT_S, link.reconnect)
        return link

    def stop(self) -> None:
        """Go down as killed: connections and what is only in memory are lost, streams are not."""
        self.is_up = False
        for link in self.links:
            link.drop()
        for consumer in self.pulls.values():
            consumer.forget_pulls()
        for push in self.pushes.values():
            push.delete()
        self.pushes.clear()

    def start(self) -> None:
        """Come up again."""
        self.is_up = True
        self.schedule_expiry()
        self.wake_copies()

    def redeliver(self) -> None:
        """Deliver again what is in hand, before its time: as after a change of leader."""
        for consumer in self.pulls.values():
            for sequence in list(consumer.pending):
                consumer.deliver_again(sequence)

    def add_interest(self, link: Link, subscription: SimSubscription) -> None:
        """Take note of who listens."""
        link.interests[subscription.number] = subscription
        found = self._table(subscription.subject)
        found.setdefault(subscription.subject, []).append((link, subscription))

    def remove_interest(self, link: Link, subscription: SimSubscription) -> None:
        """Forget who listens."""
        if link.interests.pop(subscription.number, None) is None:
            return
        table, key = self._table(subscription.subject), subscription.subject
        table[key] = [each for each in table[key] if each != (link, subscription)]
        if not table[key]:
            del table[key]

    def forget_interests(self, link: Link) -> None:
        """Forget what a lost connection listened on."""
        for subscription in list(link.interests.values()):
            self.remove_interest(link, subscription)

    def _table(self, subject: str) -> dict[str, list[tuple[Link, SimSubscription]]]:
        is_exact = "*" not in subject and not subject.endswith(">")
        return self._exact if is_exact else self._patterns

    # Messages.

    def receive(self, link: Link, subject: str, data: bytes, reply: str, headers: Headers) -> None:
        """Take a message from a client."""
        if subject.startswith("$JS.ACK."):
            if not self.happens(self.faults.lose_ack):
                self._on_ack(subject, data)
            return
        if subject.startswith("$JS.FC."):
            _, _, stream, name, _ = subject.split(".")
            push = self.pushes.get((stream, name))
            if push is not None:
                push.on_flow()
            return
        if subject.startswith("_INBOX."):
            self.send(subject, data, headers, reply)
            return
        if self.happens(self.faults.lose_request):
            return
        self._serve(subject, data, reply, headers)

    def _serve(self, subject: str, data: bytes, reply: str, headers: Headers) -> None:
        if subject.startswith("$JS.API.CONSUMER.MSG.NEXT."):
            stream, name = subject.split(".")[5:7]
            consumer = self.pulls.get((stream, name))
            if consumer is not None:
                consumer.pull(reply, data)
            else:
                self.send(reply, b"", {"Status": "503"})
            return
        if subject.startswith("$JS.API."):
            answer = self._api.answer(subject.removeprefix("$JS.API."), data)
        else:
            is_stored = self._store(subject, data, headers, reply)
            heard = self.send(subject, data, headers, reply)
            if not is_stored and reply and not heard:
                self.send(reply, b"", {"Status": "503"})
            return
        self._answer(reply, answer)

    def _answer(self, reply: str, answer: bytes) -> None:
        if reply and not self.happens(self.faults.lose_answer):
            self.send(reply, answer, NO_HEADERS)

    def _store(self, subject: str, data: bytes, headers: Headers, reply: str) -> bool:
        """Store a message in the stream that takes it, and answer; False: no stream takes it.

        It is delivered at once, and acknowledged when the stream's leader has applied it.
        """
        for stream in self.streams.values():
            if stream.takes(subject):
                try:
                    sequence, duplicate = stream.publish(
                        subject, data, headers, self.now_s(), self.wall_ns()
                    )
                except RefusedError as error:
                    told: dict[str, Any] = {"error": error.body, "stream": stream.name, "seq": 0}
                    self._answer(reply, self._api.encode(told))
                    return True
                told = {"stream": stream.name, "seq": sequence}
                answer = self._api.encode(told | ({"duplicate": True} if duplicate else {}))
                if stream.applied_at <= self.now_s():
                    self._answer(reply, answer)
                else:
                    self.loop.in_world(stream.applied_at, self._answer, reply, answer)
                return True
        return False

    def send(
        self, to: str, data: bytes, headers: Headers, reply: str = "", subject: str = ""
    ) -> bool:
        """Send to who listens on `to`; `subject` is shown instead. False: nobody listens."""
        found = list(self._exact.get(to, ()))
        for pattern, listeners in self._patterns.items():
            if matcher(pattern)(to):
                found += listeners
        queues: dict[str, list[tuple[Link, SimSubscription]]] = {}
        for link, subscription in found:
            if subscription.queue:
                queues.setdefault(subscription.queue, []).append((link, subscription))
            else:
                link.deliver(subscription.number, subject or to, reply, data, headers)
        for members in queues.values():
            link, subscription = members[self.random.randrange(len(members))]
            link.deliver(subscription.number, subject or to, reply, data, headers)
        return bool(found)

    def _on_ack(self, subject: str, data: bytes) -> None:
        _, _, stream, name, _, sequence, *_ = subject.split(".")
        consumer = self.pulls.get((stream, name))
        if consumer is not None:
            consumer.on_ack(int(sequence), data)

    # Streams.

    def add_stream(self, config: dict[str, Any]) -> None:
        """Make a stream, with what it copies from others."""
        stream = Stream(config, f"{self.loop.wall():%Y-%m-%dT%H:%M:%S.%fZ}", guards=self.guards)
        self.streams[stream.name] = stream
        stream.apply_delay_s = lambda: self.random.random() * self.faults.apply_delay_s
        stream.listeners.append(lambda stored: self._on_append(stream, stored))
        for each in config.get("sources") or ():
            (transform,) = each["subject_transforms"]
            origin = self.streams[each["name"]]
            source = Source(origin, stream, transform, true_sequences=self.true_sequences)
            self.sources.append(source)
            # Copied twice after some restart: its own sequence is another one than the event's.
            stream.last_sequence = self.random.randrange(AHEAD_MAX)

    def _on_append(self, stream: Stream, stored: Stored) -> None:
        for tell in self.on_stored:
            tell(stream, stored)
        if stored.expires_at:
            self.schedule_expiry()
        if any(source.source is stream for source in self.sources):
            self.wake_copies()

    def wake_copies(self) -> None:
        """Have the sourced buckets follow, a moment later."""
        if not self._copying:
            self._copying = True
            self.after(self.random.random() * self.faults.copy_delay_s, self._copy)

    def _copy(self) -> None:
        self._copying = False
        if not self.is_up:
            return
        for source in self.sources:
            while source.copy_next(self.now_s(), self.wall_ns()):
                pass

    def schedule_expiry(self) -> None:
        """Set the timer of what runs out next."""
        times = [stream.next_expiry() for stream in self.streams.values()]
        due = [at for at in times if at is not None]
        if self._expiry is not None:
            self._expiry.cancel()
        if due:
            self._expiry = self.after(max(0.0, min(due) - self.now_s()), self._expire)

    def _expire(self) -> None:
        if not self.is_up:
            return
        for stream in self.streams.values():
            stream.expire(self.now_s(), self.wall_ns())
        self.schedule_expiry()
