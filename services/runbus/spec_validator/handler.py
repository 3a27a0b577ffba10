"""The shell: submits from the work queue and by request-reply, one way through for both."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct

from runbus.contracts import codec, envelope, subjects
from runbus.contracts.envelope import EnvelopeError
from runbus.contracts.events import RunAccepted, RunEvent
from runbus.contracts.identity import (
    run_id_from_key,
    run_id_from_random,
    run_id_from_sequence,
    shard_of,
)
from runbus.contracts.replies import ExplainReply, LintReply, SubmitReply
from runbus.contracts.states import EventType, RunState
from runbus.contracts.streams import COMMANDS
from runbus.contracts.texts import WHO_CHARACTERS_MAX, cut
from runbus.runtime.clock import Clock
from runbus.runtime.errors import PoisonError, RetryableError
from runbus.runtime.functions import Catalogue
from runbus.runtime.inbox import Delivery
from runbus.runtime.logs import Log
from runbus.runtime.runlog import RunLog, RunRecord, StaleError
from runbus.sdk.bus import Bus
from runbus.sdk.errors import BusError
from runbus.settings.defaults import Defaults
from runbus.settings.model import Refused
from runbus.settings.reading import read_json
from runbus.settings.resolve import document_hash
from runbus.spec_validator.decide import (
    explained,
    function_wanted,
    is_same_request,
    judge,
    key_reused,
    reject,
)
from runbus.spec_validator.model import Accept, Reject, Request, Verdict
from runbus.spec_validator.priorities import PriorityClasses

RANDOM_BYTES = 16
HASH_SALT_CHARACTERS = 8


class Stored(Struct, frozen=True):
    """What became of a request: the event, and where it stands."""

    event: RunEvent
    record: RunRecord
    duplicate: bool = False


class Handler:
    """Judges submits and stores the verdicts."""

    def __init__(
        self,
        run_log: RunLog,
        bus: Bus,
        defaults: Callable[[], Defaults],
        classes: PriorityClasses,
        catalogue: Catalogue,
        clock: Clock,
        log: Log,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._run_log = run_log
        self._bus = bus
        self._random_bytes = random_bytes
        self._defaults = defaults
        self._classes = classes
        self._catalogue = catalogue
        self._clock = clock
        self._log = log
        self._stream_created = ""

    async def handle(self, delivery: Delivery) -> str:
        """Carry out a submit command.

        Raises:
            RetryableError: the bus could not be reached.
            PoisonError: the subject's project is no DNS label, so no event can be stored.

        """
        project = subjects.project_of(delivery.subject)
        if not subjects.is_project(project):
            text = f"project {project!r} of the subject is no DNS label"
            raise PoisonError(text)
        own_id = run_id_from_sequence(await self._commands_created(), delivery.sequence)
        request = Request(
            project=project,
            body=delivery.data,
            key=envelope.header(delivery.headers, envelope.IDEMPOTENCY_KEY),
            user=delivery.envelope.source,
            traceparent=delivery.envelope.traceparent,
        )
        stored = await self._submit(request, own_id)
        return "duplicate" if stored.duplicate else stored.record.status.state.value

    async def submit(self, subject: str, headers: dict[str, str], body: bytes) -> bytes:
        """Answer a submit by request-reply with its verdict.

        Raises:
            RetryableError: the bus could not be reached.

        """
        project = subjects.project_of(subject)
        own_id = run_id_from_random(self._random_bytes(RANDOM_BYTES))
        request = _request(project, headers, body)
        if not subjects.is_project(project):
            refusal = await self._judge(request, own_id)
            violations = refusal.event.violations if isinstance(refusal, Reject) else ()
            return codec.encode(SubmitReply(accepted=False, project=project, violations=violations))
        stored = await self._submit(request, own_id)
        return codec.encode(_reply(stored))

    async def lint(self, subject: str, headers: dict[str, str], body: bytes) -> bytes:
        """Answer what a submit of this document would come to; nothing is stored."""
        request = _request(subjects.project_of(subject), headers, body)
        verdict = await self._judge(request, "0" * 12)
        if isinstance(verdict, Accept):
            return codec.encode(LintReply(accepted=True, warnings=verdict.event.warnings))
        return codec.encode(LintReply(accepted=False, violations=verdict.event.violations))

    async def explain(self, subject: str, headers: dict[str, str], body: bytes) -> bytes:
        """Answer where each setting of a document, or of a run, comes from; nothing is stored."""
        project = subjects.project_of(subject)
        run_id = envelope.header(headers, envelope.RUN_ID)
        if run_id is not None:
            return codec.encode(explained(await self._accepted(project, run_id)))
        verdict = await self._judge(_request(project, headers, body), "0" * 12)
        if isinstance(verdict, Accept):
            return codec.encode(explained(verdict.event))
        return codec.encode(ExplainReply(accepted=False, violations=verdict.event.violations))

    async def _accepted(self, project: str, run_id: str) -> RunAccepted:
        """Return the event with which a run was accepted, or refuse the question."""
        if subjects.is_project(project) and subjects.is_run_id(run_id):
            shard = shard_of(run_id)
            found = await self._run_log.event(project, run_id, shard, EventType.ACCEPTED)
            if isinstance(found, RunAccepted):
                return found
        text = f"no run {cut(run_id, WHO_CHARACTERS_MAX)} was accepted in this project"
        raise PoisonError(text)

    async def _submit(self, request: Request, own_id: str) -> Stored:
        """Judge and store. A rejection, or a run without a key, goes by `own_id`."""
        run_id = run_id_from_key(request.project, request.key) if request.key else own_id
        verdict = await self._judge(request, run_id)
        if isinstance(verdict, Reject):
            before = await self._accepted_before(request, run_id)
            return before or await self._store_rejected(request, own_id, verdict)
        event = verdict.event
        salt = f"-{event.document_hash[:HASH_SALT_CHARACTERS]}"
        try:
            record = await self._run_log.publish(
                EventType.ACCEPTED, event, None, traceparent=request.traceparent, salt=salt
            )
        except StaleError as error:
            return await self._found(request, own_id, event, error.newest)
        self._log.info("run accepted", run_id=run_id, sequence=record.sequence)
        return Stored(event, record, duplicate=record.found_stored)

    async def _judge(self, request: Request, run_id: str) -> Verdict:
        wanted = function_wanted(request.body)
        function = await self._catalogue.find(wanted) if wanted is not None else None
        defaults, classes = self._defaults(), self._classes.highest_first
        return judge(request, run_id, defaults, self._clock.now(), classes, function)

    async def _found(
        self, request: Request, own_id: str, event: RunAccepted, newest: RunRecord
    ) -> Stored:
        """Answer for a run id that is taken: the same request again, or another document."""
        status = event.status
        accepted = await self._run_log.event(
            status.project, status.run_id, status.shard, EventType.ACCEPTED
        )
        if accepted is None and newest.status.state is not RunState.REJECTED:
            text = f"the leader does not show yet with what run {status.run_id} was accepted"
            raise RetryableError(text)  # not "another document", which would be said for good
        if isinstance(accepted, RunAccepted) and is_same_request(accepted, event):
            return Stored(accepted, newest, duplicate=True)
        violation = key_reused(request.key, status.run_id)
        raw = msgspec.to_builtins(event.document)
        rejected = reject(request, own_id, (violation,), self._clock.now(), raw)
        return await self._store_rejected(request, own_id, rejected)

    async def _accepted_before(self, request: Request, run_id: str) -> Stored | None:
        """Find the run that this very request has become already.

        The operator's defaults may have become stricter since: what comes again is still one run.
        """
        raw = read_json(request.body)
        if isinstance(raw, Refused):
            return None
        project, shard = request.project, shard_of(run_id)
        accepted = await self._run_log.event(project, run_id, shard, EventType.ACCEPTED)
        if not isinstance(accepted, RunAccepted) or accepted.idempotency_key != request.key:
            return None
        if accepted.document_hash != document_hash(raw.value):
            return None
        newest = await self._run_log.newest(project, run_id)
        return Stored(accepted, newest, duplicate=True) if newest is not None else None

    async def _store_rejected(self, request: Request, own_id: str, verdict: Reject) -> Stored:
        status = msgspec.structs.replace(
            verdict.event.status, run_id=own_id, shard=shard_of(own_id)
        )
        event = msgspec.structs.replace(verdict.event, status=status)
        try:
            record = await self._run_log.publish(
                EventType.REJECTED, event, None, traceparent=request.traceparent
            )
        except StaleError as error:
            text = f"run id {own_id} is taken"
            raise RetryableError(text) from error
        self._log.info("run rejected", run_id=own_id, violations=len(event.violations))
        return Stored(event, record)

    async def _commands_created(self) -> str:
        """Return the creation time of the commands stream, which never changes under us."""
        if not self._stream_created:
            try:
                info = await self._bus.api(f"STREAM.INFO.{COMMANDS}")
            except BusError as error:
                text = f"cannot ask for the stream {COMMANDS}: {error}"
                raise RetryableError(text) from error
            self._stream_created = str(info["created"])
        return self._stream_created


def _request(project: str, headers: dict[str, str], body: bytes) -> Request:
    try:
        found, data = envelope.open_message(headers, body)
    except EnvelopeError:
        found, data = envelope.Envelope(id="", type="", source=""), body
    return Request(
        project=project,
        body=data,
        key=envelope.header(headers, envelope.IDEMPOTENCY_KEY),
        user=found.source,
        traceparent=found.traceparent,
    )


def _reply(stored: Stored) -> SubmitReply:
    status, event = stored.record.status, stored.event
    if isinstance(event, RunAccepted):
        return SubmitReply(
            accepted=True,
            project=status.project,
            run_id=status.run_id,
            shard=status.shard,
            sequence=stored.record.sequence,
            duplicate=stored.duplicate,
            warnings=event.warnings,
        )
    return SubmitReply(
        accepted=False,
        project=status.project,
        run_id=status.run_id,
        shard=status.shard,
        sequence=stored.record.sequence,
        violations=getattr(event, "violations", ()),
    )
