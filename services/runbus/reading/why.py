"""The answer of `runbus why`: the reading of each pod in a file, without a bus or a cluster.

Takes documents that the caller has parsed from YAML or JSON: pods, lists of pods, several of them;
whatever else is in there becomes a problem that names its place. Without a record of the past every
time is the pod's own. Must not know: files, parsers, tables, exit codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from runbus.contracts.states import OutcomeClass, RunState
from runbus.reading.containers import real_time
from runbus.reading.explain import describe, describe_ending
from runbus.reading.model import Reading
from runbus.reading.objects import Pod, UnreadableObjectError, pod_from_document
from runbus.reading.pods import read_pod

_LISTS = ("PodList", "List")
_EXPECTED = "expected a Pod, a PodList or a List"
_NAMES = {str: "text", bool: "a boolean", int: "a number", float: "a number", list: "a list"}


class WhyRow(msgspec.Struct, frozen=True):
    """One pod as `why -o json` prints it. `since` is RFC 3339; null is "none" or "not known"."""

    name: str
    state: RunState
    since: str | None
    reason: str | None
    outcome_class: OutcomeClass | None = msgspec.field(name="class")
    never_heals: bool


class PodAnswer(msgspec.Struct, frozen=True):
    """A row, and what only a reader of text is told: in words, and how the pod will end."""

    row: WhyRow
    text: str
    ends_as: str | None = None


class WhyProblem(msgspec.Struct, frozen=True):
    """Something that is no pod: the document (from 1), the path in it, and what is wrong there."""

    document: int
    path: str
    problem: str

    def __str__(self) -> str:
        return f"document {self.document}, {self.path}: {self.problem}"


class _Unreadable(msgspec.Struct, frozen=True):
    problem: str


class WhyAnswer(msgspec.Struct, frozen=True):
    """All that was read, in the order of the file. Without rows and problems the list was empty."""

    pods: tuple[PodAnswer, ...]
    problems: tuple[WhyProblem, ...]

    @property
    def rows(self) -> list[WhyRow]:
        """What `-o json` prints."""
        return [each.row for each in self.pods]


def why(documents: Sequence[object]) -> WhyAnswer:
    """Read the pods of parsed documents. Never raises on what they hold."""
    pods: list[PodAnswer] = []
    problems: list[WhyProblem] = []
    given = [(place, each) for place, each in enumerate(documents, start=1) if each is not None]
    if not given:
        problems.append(WhyProblem(1, "/", f"nothing to read; {_EXPECTED}"))
    for number, document in given:
        for path, item in _items(document):
            answer = _answer(item)
            if isinstance(answer, str):
                problems.append(WhyProblem(number, *_placed(path, answer)))
            else:
                pods.append(answer)
    return WhyAnswer(tuple(pods), tuple(problems))


def _items(document: object) -> Iterable[tuple[str, object]]:
    """Take a list of objects apart; its items may lack a kind, which is then the list's."""
    kind = document.get("kind") if isinstance(document, dict) else None
    if not isinstance(document, dict) or kind not in _LISTS:
        return [("", document)]
    items = document.get("items")
    if items is None:
        return []
    if not isinstance(items, list):
        return [("/items", _Unreadable(f"{_name(items)} given; expected a list"))]
    default = "Pod" if kind == "PodList" else None
    return [
        (
            f"/items/{place}",
            item | {"kind": item.get("kind") or default} if isinstance(item, dict) else item,
        )
        for place, item in enumerate(items)
    ]


def _answer(document: object) -> PodAnswer | str:
    """Read one document; text where it is no pod."""
    if isinstance(document, _Unreadable):
        return document.problem
    if not isinstance(document, dict):
        return f"{_name(document)} given; {_EXPECTED}"
    kind = document.get("kind")
    if kind is None:
        return f"kind is missing; {_EXPECTED}"
    if kind != "Pod":
        return f"kind {kind} given; {_EXPECTED}"
    try:
        pod = pod_from_document(document)
    except UnreadableObjectError as error:
        return str(error)
    reading = read_pod(pod)
    return PodAnswer(_row(pod, reading), describe(reading), describe_ending(reading))


def _row(pod: Pod, reading: Reading) -> WhyRow:
    since = _since(pod, reading)
    return WhyRow(
        name=pod.metadata.name,
        state=reading.state,
        since=since.isoformat().replace("+00:00", "Z") if since else None,
        reason=reading.reason or None,
        outcome_class=reading.outcome_class,
        never_heals=reading.never_heals,
    )


def _since(pod: Pod, reading: Reading) -> datetime | None:
    """Choose the pod's own time of entry, also for states whose entry only a watcher can see."""
    scheduled = next((each for each in pod.status.conditions if each.type == "PodScheduled"), None)
    transition = real_time(scheduled.last_transition_time) if scheduled else None
    match reading.state:
        case RunState.IMAGE_PULL_BACKOFF:
            return transition
        case RunState.HELD:
            return real_time(pod.metadata.creation_timestamp) or transition
        case _:
            return reading.own_timestamp


def _name(value: object) -> str:
    return _NAMES.get(type(value), "a mapping" if isinstance(value, dict) else type(value).__name__)


def _placed(path: str, problem: str) -> tuple[str, str]:
    """Join msgspec's place inside an object (`$.status.phase`) to the object's own path."""
    text, found, inside = problem.partition(" - at `$")
    if not found:
        return path or "/", problem.replace("`", "")
    steps = inside.rstrip("`").replace("[...]", ".*").replace("[", ".").replace("]", "")
    return path + steps.replace(".", "/"), text.replace("`", "")
