"""Putting values into documents by path, without changing the document that is given. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from runbus.cli.changes.paths import APPEND, Step, path_text

# Lists whose entries have a name: one that is not there yet is made as a list of entries.
NAMED_LISTS = frozenset({"env", "volumes"})


class AssignError(ValueError):
    """A path that leads nowhere in this document; `way_out` says what would."""

    def __init__(self, message: str, way_out: str) -> None:
        super().__init__(message)
        self.way_out = way_out


class Assignment(Struct, frozen=True):
    """One change: `value` goes to the place that `steps` name; None takes out what is there.

    `argument` is what the user wrote, for messages.
    """

    argument: str
    steps: tuple[Step, ...]
    value: object


def assigned(document: Mapping[str, Any], changes: Iterable[Assignment]) -> dict[str, Any]:
    """Return a document with changes made, one after the other.

    Raises:
        AssignError: one leads nowhere; its argument is named.

    """
    changed = dict(document)
    for change in changes:
        try:
            changed = _put(changed, change.steps, (), change.value)
        except AssignError as error:
            message = f"{change.argument}: {error}"
            raise AssignError(message, error.way_out) from error
    return changed


def _put(found: Any, steps: tuple[Step, ...], done: tuple[Step, ...], value: object) -> Any:
    """Return what stands at `done` with the value put in below it."""
    if not steps:
        return value
    if found is None and value is None:
        return None
    if found is None:
        found = [] if _begins_list(steps[0], done) else {}
    if isinstance(found, Mapping):
        return _put_key(found, steps, done, value)
    if isinstance(found, list | tuple):
        return _put_place(found, steps, done, value)
    message = f"{path_text(done)} is {_named(found)}, so nothing can be put below it"
    raise AssignError(message, f"set {path_text(done)} as a whole")


def _begins_list(step: Step, done: tuple[Step, ...]) -> bool:
    if len(done) == 1 and done[0].text in NAMED_LISTS:
        return True
    return step.is_place and (step.text == APPEND or step.index is not None)


def _put_key(
    found: Mapping[str, Any], steps: tuple[Step, ...], done: tuple[Step, ...], value: object
) -> dict[str, Any]:
    step = steps[0]
    if step.is_place and (step.text == APPEND or step.index is not None):
        message = f"{path_text(done) or 'the document'} is a mapping, not a list"
        raise AssignError(message, f"its keys: {_listed(found)}")
    new = _put(found.get(step.text), steps[1:], (*done, step), value)
    if new is None:
        return {key: each for key, each in found.items() if key != step.text}
    return {**found, step.text: new}


def _put_place(
    found: Sequence[Any], steps: tuple[Step, ...], done: tuple[Step, ...], value: object
) -> list[Any]:
    step, rest = steps[0], steps[1:]
    entries = list(found)
    place = _place(entries, step, done, is_put=value is not None)
    if place is None:
        return entries
    new = _put(entries[place] if place < len(entries) else None, rest, (*done, step), value)
    if new is None:
        return entries[:place] + entries[place + 1 :]
    if step.index is None and step.text != APPEND:
        new = _with_name(new, step, done)
    entries[place : place + 1] = [new]
    return entries


def _place(entries: list[Any], step: Step, done: tuple[Step, ...], *, is_put: bool) -> int | None:
    """Return the place in a list that a step names; None where there is nothing to take out."""
    if step.is_place and step.text == APPEND:
        return len(entries) if is_put else None
    if step.index is not None:
        if step.index > len(entries) or (step.index == len(entries) and not is_put):
            count = f"{len(entries)} element{'s' if len(entries) != 1 else ''}"
            path = path_text(done)
            way_out = f"the next one is {path}[{len(entries)}], or {path}[{APPEND}]"
            message = f"{path} has {count}"
            raise AssignError(message, way_out)
        return step.index
    for place, entry in enumerate(entries):
        if isinstance(entry, Mapping) and entry.get("name") == step.text:
            return place
    if all(isinstance(entry, Mapping) for entry in entries):
        return len(entries) if is_put else None
    path = path_text(done)
    message = f"{path} is a list, and its elements have no names"
    raise AssignError(message, f"take a number, such as {path}[0], or {path}[{APPEND}]")


def _with_name(entry: Any, step: Step, done: tuple[Step, ...]) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        path = path_text((*done, Step(step.text, is_place=True)))
        message = f"{path} is an entry with a name, not {_named(entry)}"
        raise AssignError(message, f"name a key of it, such as {path}.value=…")
    return {"name": step.text, **entry}


def _named(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case str():
            return "text"
        case int() | float():
            return "a number"
        case Mapping():
            return "a mapping"
        case _:
            return "a list"


def _listed(found: Mapping[str, Any]) -> str:
    return ", ".join(sorted(str(key) for key in found)[:10]) or "none yet"
