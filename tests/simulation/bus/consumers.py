"""Consumers as a nats-server keeps them: pulled with acknowledgements, or pushed in order.

They get messages from a stream and hand deliveries to `send`; timers come from the world given.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from simulation.bus.patterns import matcher
from simulation.bus.streams import NANO, Stored, Stream

# A push consumer waits for an answer to its flow control after so many messages.
WINDOW = 64


class World(Protocol):
    """Time and the way out."""

    def now_s(self) -> float:
        """Return the virtual seconds."""
        ...

    def after(self, delay_s: float, call: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Have something happen later."""
        ...

    def send(
        self,
        to: str,
        data: bytes,
        headers: Mapping[str, str],
        reply: str = "",
        subject: str = "",
    ) -> bool:
        """Send to who listens on `to`; `subject` is shown instead. False: nobody listens."""
        ...


class _Pending(Struct):
    """A delivered message without an acknowledgement: when it is delivered again."""

    again_at: float
    deliveries: int


class _Pull(Struct):
    """A pull request that waits."""

    reply: str
    remaining: int
    expires_at: float
    heartbeat_s: float
    heard_at: float


class PullConsumer:
    """A durable consumer with explicit acknowledgements."""

    def __init__(self, stream: Stream, config: dict[str, Any], world: World) -> None:
        self.stream = stream
        self.name = str(config.get("durable_name") or config["name"])
        self.config = config
        self._world = world
        self._matches = matcher(config.get("filter_subject") or ">")
        self._next_sequence = 1
        self.delivered = 0
        self.pending: dict[int, _Pending] = {}
        self._deliveries: dict[int, int] = {}
        self._pulls: deque[_Pull] = deque()
        self._timer: asyncio.TimerHandle | None = None
        stream.listeners.append(self._on_stored)
        stream.removal_listeners.append(self._on_removed)

    @property
    def ack_wait_s(self) -> float:
        """How long a delivered message may stay without an answer."""
        return float((self.config.get("ack_wait") or 30 * NANO) / NANO)

    def num_pending(self) -> int:
        """Return how many messages have never been delivered."""
        return sum(1 for each in self.stream.after(self._next_sequence) if self._fits(each))

    def pull(self, reply: str, body: bytes) -> None:
        """Take a pull request."""
        asked = msgspec.json.decode(body)
        now = self._world.now_s()
        pull = _Pull(
            reply=reply,
            remaining=int(asked.get("batch") or 1),
            expires_at=now + (asked.get("expires") or 5 * NANO) / NANO,
            heartbeat_s=(asked.get("idle_heartbeat") or 0) / NANO,
            heard_at=now,
        )
        self._pulls.append(pull)
        self._work()

    def on_ack(self, sequence: int, answer: bytes) -> None:
        """Take an answer to a delivery."""
        found = self.pending.get(sequence)
        if found is None:
            return
        now = self._world.now_s()
        if answer.startswith(b"-NAK"):
            delay = msgspec.json.decode(answer[4:]) if answer[4:].strip() else {}
            found.again_at = now + (delay.get("delay") or 0) / NANO
        elif answer.startswith(b"+WPI"):
            found.again_at = now + self.ack_wait_s
        else:  # +ACK, +TERM or empty
            del self.pending[sequence]
            self._deliveries.pop(sequence, None)
            if self.stream.is_work_queue:
                self.stream.remove(sequence)
        self._work()

    def forget_pulls(self) -> None:
        """Lose what a restarted server loses."""
        self._pulls.clear()

    def deliver_again(self, sequence: int) -> None:
        """Deliver a message again before its time: a duplicate."""
        found = self.pending.get(sequence)
        if found is not None:
            found.again_at = self._world.now_s()
            self._work()

    def _on_stored(self, stored: Stored) -> None:
        if self._pulls and self._fits(stored):
            self._work()

    def _on_removed(self, sequence: int) -> None:
        self.pending.pop(sequence, None)

    def _fits(self, stored: Stored) -> bool:
        return self._matches(stored.subject)

    def _work(self) -> None:
        """Deliver what can be, answer what has run out, and set the next timer."""
        now = self._world.now_s()
        self._drop_expired(now)
        while self._pulls:
            sequence = self._next_due(now)
            if sequence is None:
                break
            self._deliver(sequence, now)
        self._set_timer(now)

    def _drop_expired(self, now: float) -> None:
        for pull in list(self._pulls):
            if pull.expires_at <= now:
                self._pulls.remove(pull)
                status = {"Status": "408", "Description": "Request Timeout"}
                self._world.send(pull.reply, b"", status)
            elif pull.heartbeat_s and now - pull.heard_at >= pull.heartbeat_s - 1e-9:
                pull.heard_at = now
                if not self._world.send(pull.reply, b"", self._heartbeat()):
                    self._pulls.remove(pull)

    def _heartbeat(self) -> dict[str, str]:
        return {
            "Status": "100",
            "Description": "Idle Heartbeat",
            "Nats-Last-Consumer": str(self.delivered),
            "Nats-Last-Stream": str(self._next_sequence - 1),
        }

    def _next_due(self, now: float) -> int | None:
        """Return what to deliver: first what was delivered before and not acknowledged."""
        for sequence, found in self.pending.items():
            if found.again_at <= now:
                return sequence
        if len(self.pending) >= (self.config.get("max_ack_pending") or 1000):
            return None
        while self._next_sequence <= self.stream.last_sequence:
            stored = self.stream.messages.get(self._next_sequence)
            if stored is not None and self._fits(stored):
                return self._next_sequence
            self._next_sequence += 1
        return None

    def _deliver(self, sequence: int, now: float) -> None:
        stored = self.stream.messages.get(sequence)
        if stored is None:
            self.pending.pop(sequence, None)
            return
        pull = self._pulls[0]
        deliveries = self._deliveries.get(sequence, 0) + 1
        self.delivered += 1
        reply = (
            f"$JS.ACK.{self.stream.name}.{self.name}.{deliveries}.{sequence}"
            f".{self.delivered}.{stored.time_ns}.0"
        )
        sent = self._world.send(pull.reply, stored.data, stored.headers, reply, stored.subject)
        if not sent:  # who asked has gone
            self._pulls.popleft()
            return
        self._deliveries[sequence] = deliveries
        self.pending[sequence] = _Pending(now + self.ack_wait_s, deliveries)
        self._next_sequence = max(self._next_sequence, sequence + 1)
        pull.heard_at = now
        pull.remaining -= 1
        if pull.remaining <= 0:
            self._pulls.popleft()

    def _set_timer(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._pulls:
            return
        due = [pull.expires_at for pull in self._pulls]
        due += [pull.heard_at + pull.heartbeat_s for pull in self._pulls if pull.heartbeat_s]
        due += [found.again_at for found in self.pending.values()]
        self._timer = self._world.after(max(0.0, min(due) - now), self._work)


class PushConsumer:
    """An ephemeral consumer without acknowledgements: in order, with heartbeats."""

    def __init__(self, name: str, stream: Stream, config: dict[str, Any], world: World) -> None:
        self.stream = stream
        self.name = name
        self.config = config
        self._world = world
        patterns = config.get("filter_subjects") or [config.get("filter_subject") or ">"]
        self._matchers = [matcher(each) for each in patterns]
        self._next_sequence = int(config.get("opt_start_seq") or 1)
        self.delivered = 0
        self._unanswered = 0
        self._heartbeat_s = (config.get("idle_heartbeat") or 0) / NANO
        self._sent_at = world.now_s()
        self._interested_at = world.now_s()
        self.is_gone = False
        stream.listeners.append(self._on_stored)
        self._timer = world.after(self._heartbeat_s or 1.0, self._beat)

    def num_pending(self) -> int:
        """Return how many messages have not been delivered."""
        return sum(1 for each in self.stream.after(self._next_sequence) if self._fits(each))

    def work(self) -> None:
        """Deliver what there is, as far as flow control lets it."""
        while not self.is_gone and self._unanswered < WINDOW:
            stored = next(
                (each for each in self.stream.after(self._next_sequence) if self._fits(each)), None
            )
            if stored is None:
                self._next_sequence = self.stream.last_sequence + 1
                return
            if not self._deliver(stored):
                return

    def on_flow(self) -> None:
        """Take the answer to flow control: there is room again."""
        self._unanswered = 0
        self.work()

    def delete(self) -> None:
        """End it."""
        self.is_gone = True
        self._timer.cancel()
        if self._on_stored in self.stream.listeners:
            self.stream.listeners.remove(self._on_stored)

    def _fits(self, stored: Stored) -> bool:
        return any(matches(stored.subject) for matches in self._matchers)

    def _on_stored(self, stored: Stored) -> None:
        if self._fits(stored):
            self.work()

    def _deliver(self, stored: Stored) -> bool:
        pending = sum(1 for each in self.stream.after(stored.sequence + 1) if self._fits(each))
        sequence = self.delivered + 1
        reply = (
            f"$JS.ACK.{self.stream.name}.{self.name}.1.{stored.sequence}"
            f".{sequence}.{stored.time_ns}.{pending}"
        )
        to = str(self.config["deliver_subject"])
        if not self._world.send(to, stored.data, stored.headers, reply, stored.subject):
            return False
        self.delivered = sequence
        self._next_sequence = stored.sequence + 1
        self._sent_at = self._interested_at = self._world.now_s()
        self._unanswered += 1
        if self.config.get("flow_control") and self._unanswered == WINDOW // 2:
            status = {"Status": "100", "Description": "FlowControl Request"}
            self._world.send(to, b"", status, self._flow_subject())
        return True

    def _flow_subject(self) -> str:
        return f"$JS.FC.{self.stream.name}.{self.name}.x"

    def _beat(self) -> None:
        now = self._world.now_s()
        beat_s = self._heartbeat_s or 1.0
        due_at = self._sent_at + beat_s
        if now < due_at - 1e-9:
            self._timer = self._world.after(due_at - now, self._beat)
            return
        status = {
            "Status": "100",
            "Description": "Idle Heartbeat",
            "Nats-Last-Consumer": str(self.delivered),
            "Nats-Last-Stream": str(self._next_sequence - 1),
        }
        if self._unanswered >= WINDOW:
            status["Nats-Consumer-Stalled"] = self._flow_subject()
        self._sent_at = now
        if self._world.send(str(self.config["deliver_subject"]), b"", status):
            self._interested_at = now
            self.work()
        elif now - self._interested_at > (self.config.get("inactive_threshold") or NANO) / NANO:
            self.delete()
            return
        self._timer = self._world.after(beat_s, self._beat)
