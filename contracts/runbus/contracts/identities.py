"""Who may do what on the bus: one identity a service, with exactly the subjects that it uses.

Data for the server's configuration (`deploy/nats`), derived from streams, consumers and the
transition table, so that a new consumer or event brings its right with it. JetStream's own subjects
(`$JS.…`, `$KV.…`) are those that the client sends. It must not know how a server is configured.

What cannot be said by subject, because the request's body says it: which part of a stream is
purged or read. Services of one installation trust each other so far; tenants get none of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from runbus.contracts import subjects
from runbus.contracts.leases import scheduler_key, watcher_keys
from runbus.contracts.streams import (
    BUCKETS,
    COMMANDS,
    CONSUMERS,
    DEADLETTERS,
    DEFAULTS_BUCKET,
    EVENTS,
    EVIDENCE,
    FUNCTIONS_BUCKET,
    LEASES_BUCKET,
    LIVE_BUCKET,
    RUNS_BUCKET,
    STREAMS,
)
from runbus.contracts.transitions import TRANSITIONS, Publisher

INIT = "init"
OPERATOR = "operator"

_API = "$JS.API"
_BUCKETS = tuple(f"KV_{bucket.name}" for bucket in BUCKETS)
_ALL_STREAMS = (*(stream.name for stream in STREAMS), *_BUCKETS)
_API_VERBS = (subjects.API_SUBMIT, subjects.API_LINT, subjects.API_EXPLAIN)


class Identity(Struct, frozen=True, kw_only=True):
    """A user of the bus. `replies`: it may answer whoever asks it, once for each request."""

    name: str
    about: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    publish_never: tuple[str, ...] = ()
    replies: bool = False


def inbox_prefix(name: str) -> str:
    """Return what an identity's reply subjects begin with: nobody else may listen there."""
    return f"_INBOX_{name}"


def service_identity(publisher: Publisher) -> Identity:
    """Return the identity of one service."""
    followed = _FOLLOWED[publisher]
    publish = [
        *_events_of(publisher),
        subjects.dead_letter(publisher.value),
        *_messages_read((EVENTS,)),
        *_work(publisher),
        *_follows(followed),
        *_MORE[publisher],
    ]
    answers = publisher is Publisher.SPEC_VALIDATOR
    return Identity(
        name=publisher.value,
        about=f"the {publisher.value}",
        publish=_sorted([*publish, *_own_inbox(publisher.value)]),
        subscribe=_sorted([*_own_inbox(publisher.value), *(_endpoints() if answers else ())]),
        publish_never=_durables(followed),
        replies=answers,
    )


def init_identity() -> Identity:
    """Return the identity of `runbus init`: makes and changes, never deletes or purges."""
    made = [
        *(f"{_API}.STREAM.{verb}.{name}" for verb in _MAKING for name in _ALL_STREAMS),
        *(
            f"{_API}.CONSUMER.{verb}.{spec.stream}.{spec.name}"
            for verb in ("INFO", "DURABLE.CREATE")
            for spec in CONSUMERS
        ),
    ]
    return Identity(
        name=INIT,
        about="`runbus init`: makes streams, buckets and consumers, and never deletes any",
        publish=_sorted([*made, *_own_inbox(INIT)]),
        subscribe=_own_inbox(INIT),
    )


def operator_identity() -> Identity:
    """Return the identity of people with the command line: everything but to write events."""
    publish = [
        subjects.submit(),
        *(subjects.command(verb) for verb in subjects.COMMAND_VERBS),
        *(subjects.api(verb) for verb in _API_VERBS),
        *(f"$KV.{bucket}.>" for bucket in (DEFAULTS_BUCKET, FUNCTIONS_BUCKET)),
        f"{_API}.INFO",
        f"{_API}.STREAM.MSG.DELETE.{DEADLETTERS}",
        *_stream_infos(_ALL_STREAMS),
        *_messages_read(_ALL_STREAMS),
        *_follows(_ALL_STREAMS),
    ]
    return Identity(
        name=OPERATOR,
        about="people with the command line; writes no event",
        publish=_sorted([*publish, *_own_inbox(OPERATOR)]),
        subscribe=_sorted(
            [
                *_own_inbox(OPERATOR),
                subjects.events_of_project(),
                subjects.evidence(),
                subjects.dead_letter(),
            ]
        ),
        publish_never=_durables(_ALL_STREAMS),
    )


def tenant_identity(project: str) -> Identity:
    """Return the identity of a project: its own runs, and nothing of others.

    It reads by subscribing, and the newest message of a subject by direct get, where the subject
    stands in the request's own. Consumers and reads by body would reach other projects.

    Raises:
        SubjectError: `project` is no project.

    """
    name = f"project-{project}"
    run = subjects.events_of_project(project)
    newest = (
        f"{EVENTS}.{run}",
        f"KV_{RUNS_BUCKET}.$KV.{RUNS_BUCKET}.{project}.*",
        f"{EVIDENCE}.{subjects.evidence(project)}",
    )
    publish = [
        subjects.submit(project),
        *(subjects.command(verb, project) for verb in (subjects.ABORT, subjects.DEADLINE)),
        *(subjects.api(verb, project) for verb in _API_VERBS),
        *(f"{_API}.DIRECT.GET.{each}" for each in newest),
    ]
    return Identity(
        name=name,
        about=f"the project {project}",
        publish=_sorted([*publish, *_own_inbox(name)]),
        subscribe=_sorted([*_own_inbox(name), run, subjects.evidence(project)]),
    )


def identities() -> tuple[Identity, ...]:
    """Return every identity of an installation, without tenants."""
    services = tuple(service_identity(publisher) for publisher in Publisher)
    return (*services, init_identity(), operator_identity())


def _events_of(publisher: Publisher) -> list[str]:
    found = {row.event for row in TRANSITIONS if publisher in row.publishers}
    return [subjects.events_of_type(event_type) for event_type in found]


def _work(publisher: Publisher) -> list[str]:
    """Return what pulling and acknowledging of a service's own consumers takes."""
    found: list[str] = []
    for spec in CONSUMERS:
        if spec.service is publisher:
            found.append(f"{_API}.CONSUMER.MSG.NEXT.{spec.stream}.{spec.name}")
            found.append(f"$JS.ACK.{spec.stream}.{spec.name}.>")
    return found


def _follows(streams: Iterable[str]) -> list[str]:
    """Return what following takes: an own consumer made, asked, ended; acknowledged, in flow.

    And how far the stream has come, which on a bus of several servers a consumer's may not have.
    """
    return [
        subject
        for stream in streams
        for subject in (
            f"{_API}.STREAM.INFO.{stream}",
            f"{_API}.CONSUMER.CREATE.{stream}.*",
            f"{_API}.CONSUMER.INFO.{stream}.*",
            f"{_API}.CONSUMER.DELETE.{stream}.*",
            f"$JS.ACK.{stream}.>",
            f"$JS.FC.{stream}.>",
        )
    ]


def _durables(followed: Iterable[str]) -> tuple[str, ...]:
    """Return what following does not need: to change, delete or answer a consumer that stays."""
    streams = set(followed)
    return tuple(
        subject
        for spec in CONSUMERS
        if spec.stream in streams
        for subject in (
            f"{_API}.CONSUMER.CREATE.{spec.stream}.{spec.name}",
            f"{_API}.CONSUMER.DELETE.{spec.stream}.{spec.name}",
            f"$JS.ACK.{spec.stream}.{spec.name}.>",
        )
    )


def _messages_read(streams: Iterable[str]) -> list[str]:
    return [f"{_API}.STREAM.MSG.GET.{stream}" for stream in streams]


def _stream_infos(streams: Iterable[str]) -> list[str]:
    return [f"{_API}.STREAM.INFO.{stream}" for stream in streams]


def _purges(streams: Iterable[str]) -> list[str]:
    return [f"{_API}.STREAM.PURGE.{stream}" for stream in streams]


def _lease(key: str) -> list[str]:
    return [f"$KV.{LEASES_BUCKET}.{key}", *_messages_read((_LEASES,))]


def _own_inbox(name: str) -> tuple[str, ...]:
    """Return an identity's own reply subjects; it writes there, too: that is how it pings."""
    return (f"{inbox_prefix(name)}.>",)


def _endpoints() -> list[str]:
    """Return what a NATS micro service listens on: its endpoints, and who asks for services."""
    name = subjects.API_SERVICE
    return [
        *(subjects.api(verb) for verb in _API_VERBS),
        *("$SRV.*", f"$SRV.*.{name}", f"$SRV.*.{name}.*"),
    ]


def _sorted(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(found)))


_MAKING = ("INFO", "CREATE", "UPDATE")
_DEFAULTS, _FUNCTIONS = f"KV_{DEFAULTS_BUCKET}", f"KV_{FUNCTIONS_BUCKET}"
_LEASES, _LIVE, _RUNS = f"KV_{LEASES_BUCKET}", f"KV_{LIVE_BUCKET}", f"KV_{RUNS_BUCKET}"

# What a service follows in order, with a consumer of its own.
_FOLLOWED: dict[Publisher, tuple[str, ...]] = {
    Publisher.SPEC_VALIDATOR: (_DEFAULTS, _FUNCTIONS),
    Publisher.SCHEDULER: (_DEFAULTS, _LIVE, EVENTS),
    Publisher.POD_LAUNCHER: (),
    Publisher.STATE_WATCHER: (_LEASES, _LIVE, EVENTS),
    Publisher.ABORTER: (),
}

# What else it asks for or sends, beside its events, dead letters and consumers.
_MORE: dict[Publisher, list[str]] = {
    Publisher.SPEC_VALIDATOR: [
        *_stream_infos((COMMANDS, _FUNCTIONS)),
        *_messages_read((_FUNCTIONS,)),
    ],
    Publisher.SCHEDULER: [
        *_lease(scheduler_key()),
        *_stream_infos((_LIVE, EVENTS)),
        *_messages_read((_LIVE,)),
        *_purges((_LIVE, _RUNS, EVIDENCE, EVENTS)),
    ],
    Publisher.POD_LAUNCHER: [],
    Publisher.STATE_WATCHER: [
        *_lease(watcher_keys()),
        *_stream_infos((_LIVE,)),
        *_messages_read((_LIVE,)),
        *_purges((_LIVE,)),
        *(
            subjects.command(verb)
            for verb in (subjects.ABORT, subjects.CLEANUP, subjects.EVIDENCE_OF)
        ),
    ],
    Publisher.ABORTER: [subjects.evidence()],
}
