r"""The path of a setting as people write it: dots between keys, brackets around places of a list.

    state_thresholds.running    args[0]    args[+]    env[EPOCHS].value    labels."a.b/c"

A key with dots stands in quotes or brackets, or has its dots escaped (`a\.b`). In brackets, a
number is a place of a list, `+` the place after its last, and anything else the name of an entry.
Pure.
"""

from __future__ import annotations

from msgspec import Struct

STEPS_MAX = 32
APPEND = "+"


class PathError(ValueError):
    """A text that is no path of a setting; the message says where and why."""


class Step(Struct, frozen=True):
    """One step of a path. `is_place`: it stood in brackets without quotes, as `[0]`, `[+]`."""

    text: str
    is_place: bool = False

    @property
    def index(self) -> int | None:
        """The place in a list that it names; None for a name."""
        return int(self.text) if self.text.isascii() and self.text.isdigit() else None


def split_assignment(text: str) -> tuple[tuple[Step, ...], str]:
    """Return the steps before the first `=` that no quotes or brackets hold, and what follows it.

    Raises:
        PathError: no `=`, or no path before it.

    """
    steps, end = _read(text)
    if text[end : end + 1] != "=":
        raise PathError("there is no `=`: write key=value")
    return steps, text[end + 1 :]


def read_path(text: str) -> tuple[Step, ...]:
    """Return the steps of a path.

    Raises:
        PathError: it is none.

    """
    steps, end = _read(text)
    if end != len(text):
        message = f"{text[end:]!r} cannot be part of a path"
        raise PathError(message)
    return steps


def path_text(steps: tuple[Step, ...]) -> str:
    """Return a path as people write it."""
    shown = ""
    for step in steps:
        if step.is_place:
            shown += f"[{step.text}]"
        elif set(step.text) & set('.[]"= \\'):
            shown += f'["{step.text}"]' if shown else f'"{step.text}"'
        else:
            shown += f".{step.text}" if shown else step.text
    return shown


def _read(text: str) -> tuple[tuple[Step, ...], int]:
    steps: list[Step] = []
    at = 0
    while True:
        in_brackets = text[at : at + 1] == "["
        step, at = _in_brackets(text, at + 1) if in_brackets else _key(text, at)
        steps.append(step)
        if len(steps) > STEPS_MAX:
            message = f"deeper than {STEPS_MAX} steps"
            raise PathError(message)
        if text[at : at + 1] == ".":
            at += 1
        elif text[at : at + 1] != "[":
            return tuple(steps), at


def _key(text: str, at: int) -> tuple[Step, int]:
    if text[at : at + 1] in {'"', "'"}:
        key, at = _quoted(text, at)
        return Step(key), at
    key = ""
    while at < len(text) and text[at] not in ".[=":
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
        key += text[at]
        at += 1
    if not key:
        message = f"a key is missing at character {at + 1}"
        raise PathError(message)
    return Step(key), at


def _in_brackets(text: str, at: int) -> tuple[Step, int]:
    if text[at : at + 1] in {'"', "'"}:
        key, at = _quoted(text, at)
        if text[at : at + 1] != "]":
            message = f"a `]` is missing at character {at + 1}"
            raise PathError(message)
        return Step(key), at + 1
    end = text.find("]", at)
    if end < 0:
        message = f"the `[` at character {at} has no `]`"
        raise PathError(message)
    name = text[at:end]
    if not name:
        raise PathError("nothing stands in `[]`: a number, `+` for the end, or an entry's name")
    return Step(name, is_place=True), end + 1


def _quoted(text: str, at: int) -> tuple[str, int]:
    end = text.find(text[at], at + 1)
    if end < 0:
        message = f"the quote at character {at + 1} has no end"
        raise PathError(message)
    return text[at + 1 : end], end + 1
