"""A stream as a nats-server keeps it: messages in order, compare-and-set, limits, time to live.

Pure: time comes in. Who wants to know of new messages (consumers, streams that source this one)
puts a callback into `listeners`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from simulation.bus.patterns import matcher, transformed

NANO = 1_000_000_000
EXPECTED = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"
MESSAGE_ID = "Nats-Msg-Id"
TTL = "Nats-TTL"
SOURCE = "Nats-Stream-Source"


class RefusedError(Exception):
    """An error answer of JetStream."""

    def __init__(self, code: int, error_code: int, description: str) -> None:
        super().__init__(description)
        self.body = {"code": code, "err_code": error_code, "description": description}


class Stored(Struct, frozen=True, eq=False):
    """One message. `expires_at` is seconds, 0 for never; from `applied_at` on its leader has it."""

    sequence: int
    subject: str
    data: bytes
    headers: Mapping[str, str]
    time_ns: int
    expires_at: float = 0.0
    applied_at: float = 0.0


class Stream:
    """One stream. `guards` False makes it forget compare-and-set: a planted bug."""

    def __init__(self, config: dict[str, Any], created: str, *, guards: bool = True) -> None:
        self.config = config
        self.name: str = config["name"]
        self.created = created
        self.guards = guards
        self.messages: dict[int, Stored] = {}
        self.last_sequence = 0
        self.applied_at = 0.0  # when the leader has applied everything
        self.apply_delay_s: Callable[[], float] = lambda: 0.0
        self.listeners: list[Callable[[Stored], None]] = []
        self.removal_listeners: list[Callable[[int], None]] = []
        self._by_subject: dict[str, list[int]] = {}
        self._last_of_filter: dict[str, int] = {}
        self._ids: dict[str, tuple[int, int]] = {}
        self._matchers = [matcher(each) for each in config.get("subjects") or ()]

    @property
    def is_work_queue(self) -> bool:
        """Whether an acknowledged message is removed."""
        return self.config.get("retention") == "workqueue"

    def takes(self, subject: str) -> bool:
        """Whether a message on this subject is stored here."""
        return any(matches(subject) for matches in self._matchers)

    def change(self, config: dict[str, Any]) -> None:
        """Take other settings, as far as the server lets them be changed.

        Raises:
            RefusedError: retention and storage stay what they are.

        """
        for key in ("retention", "storage"):
            if (config.get(key) or "limits") != (self.config.get(key) or "limits"):
                raise RefusedError(500, 10052, f"stream configuration update can not change {key}")
        self.config = config
        self._matchers = [matcher(each) for each in config.get("subjects") or ()]

    def publish(
        self, subject: str, data: bytes, headers: Mapping[str, str], now_s: float, wall_ns: int
    ) -> tuple[int, bool]:
        """Store a message; return its sequence and whether it had been stored before.

        Raises:
            RefusedError: compare-and-set failed, or it is too large.

        """
        once = headers.get(MESSAGE_ID)
        if once is not None:
            known = self._ids.get(once)
            window_ns = self.config.get("duplicate_window") or 0
            if known is not None and wall_ns - known[1] < window_ns:
                return known[0], True
        self._check_expected(subject, headers, now_s)
        if len(data) > (self.config.get("max_msg_size") or 1 << 30):
            raise RefusedError(400, 10054, "message size exceeds maximum allowed")
        if headers.get(TTL) and not self.config.get("allow_msg_ttl"):
            raise RefusedError(400, 10166, "per-message TTL is disabled")
        stored = self.append(subject, data, headers, now_s, wall_ns)
        if once is not None:
            self._ids[once] = (stored.sequence, wall_ns)
        return stored.sequence, False

    def _check_expected(self, subject: str, headers: Mapping[str, str], now_s: float) -> None:
        expected = headers.get(EXPECTED)
        if expected is None or not self.guards:
            return
        last = self.last_of(headers.get(EXPECTED_SUBJECT) or subject)
        if last is not None and last.applied_at > now_s:  # on its way: its sequence is not told
            raise RefusedError(400, 10164, "wrong last sequence")
        found = last.sequence if last is not None else 0
        if int(expected) != found:
            raise RefusedError(400, 10071, f"wrong last sequence: {found}")

    def append(
        self, subject: str, data: bytes, headers: Mapping[str, str], now_s: float, wall_ns: int
    ) -> Stored:
        """Store a message without any check."""
        self.last_sequence += 1
        expires_at = now_s + _seconds(headers[TTL]) if headers.get(TTL) else 0.0
        self.applied_at = max(self.applied_at, now_s + self.apply_delay_s())
        stored = Stored(
            self.last_sequence, subject, data, headers, wall_ns, expires_at, self.applied_at
        )
        self.messages[stored.sequence] = stored
        for pattern in self._last_of_filter:
            if matcher(pattern)(subject):
                self._last_of_filter[pattern] = stored.sequence
        of_subject = self._by_subject.setdefault(subject, [])
        of_subject.append(stored.sequence)
        limit = self.config.get("max_msgs_per_subject") or -1
        while 0 < limit < len(of_subject):
            self.remove(of_subject[0])
        for tell in self.listeners:
            tell(stored)
        return stored

    def remove(self, sequence: int) -> Stored | None:
        """Remove a message; None where there is none."""
        stored = self.messages.pop(sequence, None)
        if stored is None:
            return None
        of_subject = self._by_subject[stored.subject]
        of_subject.remove(sequence)
        if not of_subject:
            del self._by_subject[stored.subject]
        for pattern in [p for p, last in self._last_of_filter.items() if last == sequence]:
            del self._last_of_filter[pattern]
        for tell in self.removal_listeners:
            tell(sequence)
        return stored

    def purge(self, pattern: str, before: int | None = None) -> int:
        """Remove every message that matches, below a sequence; return how many there were."""
        wanted = matcher(pattern or ">")
        doomed = [
            each.sequence
            for each in self.messages.values()
            if wanted(each.subject) and (before is None or each.sequence < before)
        ]
        for sequence in doomed:
            self.remove(sequence)
        return len(doomed)

    def expire(self, now_s: float, wall_ns: int) -> None:
        """Remove what has outlived its time; a marker takes its place where the stream says so."""
        doomed = [each for each in self.messages.values() if 0 < each.expires_at <= now_s]
        marker_s = (self.config.get("subject_delete_marker_ttl") or 0) // NANO
        for stored in doomed:
            self.remove(stored.sequence)
            if marker_s and "Nats-Marker-Reason" not in stored.headers:
                marker = {"Nats-Marker-Reason": "MaxAge", TTL: f"{marker_s}s"}
                self.append(stored.subject, b"", marker, now_s, wall_ns)

    def next_expiry(self) -> float | None:
        """Return when the next message runs out."""
        if not self.config.get("allow_msg_ttl"):
            return None
        times = [each.expires_at for each in self.messages.values() if each.expires_at]
        return min(times, default=None)

    def last_of(self, pattern: str) -> Stored | None:
        """Return the newest message that matches a subject or wildcard."""
        if "*" not in pattern and not pattern.endswith(">"):
            found = self._by_subject.get(pattern)
            return self.messages[found[-1]] if found else None
        last = self._last_of_filter.get(pattern)
        if last is None:
            wanted = matcher(pattern)
            matching = (s for s in reversed(self.messages) if wanted(self.messages[s].subject))
            last = self._last_of_filter[pattern] = next(matching, 0)
        return self.messages.get(last)

    def last_applied(self, pattern: str, now_s: float) -> Stored | None:
        """Return the newest message that matches, of those that the leader has applied."""
        found = self.last_of(pattern)
        if found is None or found.applied_at <= now_s:
            return found
        wanted = matcher(pattern)
        older = (self.messages[each] for each in reversed(self.messages))
        seen = (each for each in older if each.applied_at <= now_s)
        return next((each for each in seen if wanted(each.subject)), None)

    def after(self, sequence: int) -> Iterator[Stored]:
        """Yield what is stored from a sequence on."""
        for each in range(sequence, self.last_sequence + 1):
            found = self.messages.get(each)
            if found is not None:
                yield found

    def state(self) -> dict[str, Any]:
        """Return the state as STREAM.INFO shows it."""
        return {
            "messages": len(self.messages),
            "first_seq": next(iter(self.messages), self.last_sequence + 1),
            "last_seq": self.last_sequence,
            "num_subjects": len(self._by_subject),
        }


class Source:
    """Copies what one stream stores into another, by a subject transform; the copies come late.

    `sequence` is that of the last message copied. STREAM.INFO shows what is `taken`, which may not
    be stored yet. `true_sequences` False writes the copy's own sequence into the header: a planted
    bug.
    """

    def __init__(
        self, source: Stream, target: Stream, transform: Mapping[str, str], *, true_sequences: bool
    ) -> None:
        self.source = source
        self.target = target
        self.transform = transform
        self.sequence = 0
        self._true_sequences = true_sequences

    @property
    def lag(self) -> int:
        """How many messages have not been copied."""
        return self.source.last_sequence - self.sequence

    @property
    def taken(self) -> int:
        """The last message that is copied, or is just about to be."""
        return self.source.last_sequence

    def copy_next(self, now_s: float, wall_ns: int) -> bool:
        """Copy one message; False where nothing is left to copy."""
        stored = next(self.source.after(self.sequence + 1), None)
        if stored is None:
            self.sequence = self.source.last_sequence
            return False
        self.sequence = stored.sequence
        pattern, destination = self.transform["src"], self.transform["dest"]
        if matcher(pattern)(stored.subject):
            subject = transformed(stored.subject, pattern, destination)
            kept = {k: v for k, v in stored.headers.items() if not k.startswith("Nats-")}
            told = stored.sequence if self._true_sequences else self.target.last_sequence + 1
            origin = f"{self.source.name} {told} {pattern} {destination} {stored.subject}"
            self.target.append(subject, stored.data, {**kept, SOURCE: origin}, now_s, wall_ns)
        return True


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)(s|m|h)?", text)
    if found is None:
        raise RefusedError(400, 10165, "invalid per-message TTL")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600, None: 1}[found[2]]
