"""Dead letters as people look at them, and what can be tried again. Pure.

Must not know: the bus, how anything is printed.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from msgspec import Struct

from runbus.contracts import subjects
from runbus.contracts.replies import DeadLetter

# What the server put into a message, or read from it when it stored it: of one delivery only.
_OF_ONE_DELIVERY = "nats-"


class Letter(Struct, frozen=True, kw_only=True):
    """A dead letter and its number: its sequence in the stream of dead letters."""

    number: int
    content: DeadLetter

    @property
    def ref(self) -> str:
        """The run that it belongs to; empty where it names none."""
        found = self.content
        return f"{found.project}/{found.run_id}" if found.run_id else found.project

    @property
    def what(self) -> str:
        """What sort of message it is: the command's verb, or the event's type."""
        tokens = self.content.subject.split(".")
        if is_event(self.content.subject):
            return f"event {tokens[-1]}"
        return f"command {tokens[2]}" if len(tokens) > 2 else self.content.subject


class Again(Struct, frozen=True, kw_only=True):
    """The original message, to be published once more."""

    subject: str
    headers: dict[str, str]
    body: bytes


class Never(Struct, frozen=True, kw_only=True):
    """Why a dead letter cannot be tried again, and what to do instead."""

    why: str
    way_out: str


def attempt_again(letter: Letter) -> Again | Never:
    """Return the message that a dead letter holds, if publishing it again can be of use.

    Commands stand in a work queue: the same one is carried out like a new one. An event cannot be
    stored twice (compare-and-set on the run's last event), and its run has gone on or has ended.
    """
    found = letter.content
    if is_event(found.subject):
        return Never(
            why="an event happens once: it can neither be stored nor delivered again",
            way_out=f"submit its run again: runbus rerun {letter.ref}" if letter.ref else "",
        )
    if not _is_command(found.subject):
        return Never(why=f"nobody takes messages from {found.subject!r}", way_out="drop it")
    headers = {
        name: text
        for name, text in found.headers.items()
        if not name.lower().startswith(_OF_ONE_DELIVERY)
    }
    return Again(subject=found.subject, headers=headers, body=found.body)


def is_event(subject: str) -> bool:
    """Say whether a subject is one of an event."""
    return subject.startswith(f"{subjects.ROOT}.run.")


def body_of(content: DeadLetter) -> object:
    """Return the body as JSON's values; else its text; else base64."""
    try:
        return msgspec.json.decode(content.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    try:
        return content.body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content.body).decode()}


def letter_data(letter: Letter, *, is_whole: bool) -> dict[str, Any]:
    """Return a dead letter as data; headers and body only of a whole one."""
    found = letter.content
    data: dict[str, Any] = {
        "id": letter.number,
        "set_aside_at": msgspec.to_builtins(found.set_aside_at),
        "service": found.service,
        "run": letter.ref or None,
        "subject": found.subject,
        "sequence": found.sequence,
        "deliveries": found.deliveries,
        "reason": found.reason,
        "can_be_retried": isinstance(attempt_again(letter), Again),
    }
    if is_whole:
        data |= {"headers": found.headers, "body": body_of(found)}
    return data


def _is_command(subject: str) -> bool:
    if subject.startswith(f"{subjects.ROOT}.submit."):
        return True
    try:
        subjects.parse_command(subject)
    except subjects.SubjectError:
        return False
    return True
