"""The subject grammar of the bus: builders and parsers. No subject is spelled anywhere else.

    runbus.v1.submit.<project>                       a submit command
    runbus.v1.<verb>.<project>.<run>                 a command on a run
    runbus.v1.run.<project>.<run>.<shard>.<type>     an event
    runbus.v1.evidence.<project>.<run>               evidence
    runbus.v1.api.<verb>.<project>                   request-reply
    runbus.v1.deadletter.<service>                   what could not be handled

Projects are DNS labels and run ids are 12 characters of [a-z0-9], so no token can hold a dot.
"""

from __future__ import annotations

import re

from msgspec import Struct

from runbus.contracts.states import EventType

ROOT = "runbus.v1"
ANY = "*"

ABORT = "abort"
DEADLINE = "deadline"
CLEANUP = "cleanup"
EVIDENCE_OF = "evidence-of"
COMMAND_VERBS = (ABORT, DEADLINE, CLEANUP, EVIDENCE_OF)

API_SUBMIT = "submit"
API_LINT = "lint"
API_EXPLAIN = "explain"
API_SERVICE = "runbus-spec-validator"  # the name under which NATS' own tools find the endpoints

_PROJECT = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_RUN = re.compile(r"[a-z0-9]{12}\Z")


class SubjectError(ValueError):
    """A subject, project or run id that does not fit the grammar."""


class EventSubject(Struct, frozen=True):
    """The tokens of an event's subject. `event_type` is text: newer releases may add types."""

    project: str
    run_id: str
    shard: str
    event_type: str


def submit(project: str = ANY) -> str:
    """Return the subject of submit commands of a project."""
    return f"{ROOT}.submit.{_project(project)}"


def command(verb: str, project: str = ANY, run_id: str = ANY) -> str:
    """Return the subject of one sort of command on a run."""
    return f"{ROOT}.{verb}.{_project(project)}.{_run(run_id)}"


def event(project: str, run_id: str, shard: str, event_type: EventType) -> str:
    """Return the subject of one event."""
    return f"{ROOT}.run.{_project(project)}.{_run(run_id)}.{shard}.{event_type.value}"


def events_of_run(project: str, run_id: str) -> str:
    """Return the wildcard over every event of one run; compare-and-set guards it."""
    return f"{ROOT}.run.{_project(project)}.{_run(run_id)}.*.*"


def events_of_type(event_type: EventType) -> str:
    """Return the wildcard over one event type of every run."""
    return f"{ROOT}.run.*.*.*.{event_type.value}"


def events_of_project(project: str = ANY) -> str:
    """Return the wildcard over every event of a project's runs."""
    return f"{ROOT}.run.{_project(project)}.*.*.*"


def events_of_shard(shard: str) -> str:
    """Return the wildcard over every event of one shard's runs."""
    return f"{ROOT}.run.*.*.{shard}.*"


def evidence(project: str = ANY, run_id: str = ANY) -> str:
    """Return the subject of a run's evidence."""
    return f"{ROOT}.evidence.{_project(project)}.{_run(run_id)}"


def api(verb: str, project: str = ANY) -> str:
    """Return the subject of a request-reply endpoint."""
    return f"{ROOT}.api.{verb}.{_project(project)}"


def dead_letter(service: str = ANY) -> str:
    """Return the subject of a service's dead letters."""
    return f"{ROOT}.deadletter.{service}"


def parse_event(subject: str) -> EventSubject:
    """Return the tokens of an event's subject.

    Raises:
        SubjectError: the subject is not one of an event.

    """
    tokens = subject.split(".")
    if len(tokens) != 7 or tokens[:3] != ["runbus", "v1", "run"]:
        message = f"{subject!r} is not the subject of an event"
        raise SubjectError(message)
    return EventSubject(*tokens[3:])


def parse_command(subject: str) -> tuple[str, str, str]:
    """Return verb, project and run id of a command on a run.

    Raises:
        SubjectError: the subject is not one of a command on a run.

    """
    tokens = subject.split(".")
    if len(tokens) != 5 or tokens[:2] != ["runbus", "v1"] or tokens[2] not in COMMAND_VERBS:
        message = f"{subject!r} is not the subject of a command on a run"
        raise SubjectError(message)
    return tokens[2], tokens[3], tokens[4]


def project_of(subject: str) -> str:
    """Return the project token: the last of a submit command, the fourth of all others.

    Raises:
        SubjectError: the subject has no project.

    """
    tokens = subject.split(".")
    place = 4 if tokens[2:3] == ["api"] else 3
    has_one = tokens[:2] == ["runbus", "v1"] and tokens[2:3] != ["deadletter"]
    if not has_one or len(tokens) <= place:
        message = f"{subject!r} has no project"
        raise SubjectError(message)
    return tokens[place]


def run_of(subject: str) -> tuple[str, str] | None:
    """Return the project and the run id that a subject names; None where it names no run."""
    tokens = subject.split(".")
    is_ours = len(tokens) >= 5 and tokens[:2] == ["runbus", "v1"]
    if not is_ours or tokens[2] not in (*COMMAND_VERBS, "run", "evidence"):
        return None
    return tokens[3], tokens[4]


def template(subject: str) -> str:
    """Return a subject without the names in it: few of them, whatever runs there are."""
    tokens = subject.split(".")
    if tokens[:2] != ["runbus", "v1"] or tokens[2:3] == ["deadletter"]:
        return subject
    names = ["{project}", "{run}", "{shard}"]
    first = 4 if tokens[2:3] == ["api"] else 3
    for place, name in zip(range(first, len(tokens)), names, strict=False):
        tokens[place] = name
    return ".".join(tokens)


def is_project(text: str) -> bool:
    """Say whether a text can be a project: a DNS label."""
    return _PROJECT.match(text) is not None


def is_run_id(text: str) -> bool:
    """Say whether a text can be a run id."""
    return _RUN.match(text) is not None


def _project(text: str) -> str:
    if text != ANY and not is_project(text):
        message = f"project {text!r} is not a DNS label (lower-case letters, digits and dashes)"
        raise SubjectError(message)
    return text


def _run(text: str) -> str:
    if text != ANY and not is_run_id(text):
        message = f"run id {text!r} is not 12 characters of a-z and 0-9"
        raise SubjectError(message)
    return text
