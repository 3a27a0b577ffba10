"""What is published, under which name, and by whom it is sent. Data, for schemas and AsyncAPI."""

from __future__ import annotations

from msgspec import Struct

from runbus.contracts import subjects
from runbus.contracts.commands import AbortRun, ChangeDeadline, CleanUpObjects, KeepEvidence
from runbus.contracts.document import RunDocument
from runbus.contracts.events import EVENT_STRUCTS
from runbus.contracts.evidence import RunEvidence
from runbus.contracts.replies import DeadLetter, ExplainReply, LintReply, SubmitReply
from runbus.contracts.states import EventType
from runbus.contracts.status import RunStatus
from runbus.contracts.transitions import Publisher

CLIENT = "client"  # whoever asks: SDK, command line, or a program in any language
ALL_SERVICES = tuple(publisher.value for publisher in Publisher)
RUN_DOCUMENT = "run-document.v1"


class Body(Struct, frozen=True):
    """One sort of message body, and the name of its schema.

    `is_input` marks what users write: there an unknown key is a mistake. Everywhere else it is
    what a later release has added, and is skipped.
    """

    name: str
    struct: type[Struct]
    is_input: bool = False


class Command(Struct, frozen=True, kw_only=True):
    """One command on a run: its verb in the subject, its body, who sends it and who obeys."""

    verb: str
    body: Body
    senders: tuple[str, ...]
    receiver: str


EVENTS: dict[EventType, Body] = {
    event_type: Body(f"run.{event_type.value}.v1", EVENT_STRUCTS[event_type])
    for event_type in EventType
}
DOCUMENT = Body(RUN_DOCUMENT, RunDocument, is_input=True)
STATUS = Body("run-status.v1", RunStatus)
RUN_EVIDENCE = Body("run-evidence.v1", RunEvidence)
SUBMIT_REPLY = Body("submit-reply.v1", SubmitReply)
LINT_REPLY = Body("lint-reply.v1", LintReply)
EXPLAIN_REPLY = Body("explain-reply.v1", ExplainReply)
DEAD_LETTER = Body("dead-letter.v1", DeadLetter)

_WATCHER = Publisher.STATE_WATCHER.value
_ABORTER = Publisher.ABORTER.value

COMMANDS: tuple[Command, ...] = (
    Command(
        verb=subjects.ABORT,
        body=Body("abort-run.v1", AbortRun),
        senders=(CLIENT, _WATCHER),
        receiver=_ABORTER,
    ),
    Command(
        verb=subjects.DEADLINE,
        body=Body("change-deadline.v1", ChangeDeadline),
        senders=(CLIENT,),
        receiver=_WATCHER,
    ),
    Command(
        verb=subjects.CLEANUP,
        body=Body("clean-up-objects.v1", CleanUpObjects),
        senders=(_WATCHER,),
        receiver=_ABORTER,
    ),
    Command(
        verb=subjects.EVIDENCE_OF,
        body=Body("keep-evidence.v1", KeepEvidence),
        senders=(_WATCHER,),
        receiver=_ABORTER,
    ),
)

# Who follows the events of every run, beside the consumers that `streams` names: by ordered
# consumers, which need no setting up.
EVENT_FOLLOWERS = (CLIENT, Publisher.SCHEDULER.value, _WATCHER)

BODIES: tuple[Body, ...] = (
    *EVENTS.values(),
    *(command.body for command in COMMANDS),
    DOCUMENT,
    STATUS,
    RUN_EVIDENCE,
    SUBMIT_REPLY,
    LINT_REPLY,
    EXPLAIN_REPLY,
    DEAD_LETTER,
)
