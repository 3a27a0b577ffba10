"""PURE: the verdict on a document, and on a request whose run exists already."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from runbus.contracts.deadlines import with_deadline
from runbus.contracts.document import RunDocument
from runbus.contracts.events import RunAccepted, RunRejected
from runbus.contracts.identity import shard_of
from runbus.contracts.locations import FunctionName
from runbus.contracts.replies import ExplainReply
from runbus.contracts.states import Kind, Reason, RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.texts import WHO_CHARACTERS_MAX, cut
from runbus.contracts.violations import Violation, ViolationCode, shortened, within_size
from runbus.settings.defaults import Defaults
from runbus.settings.function_files import reference_in
from runbus.settings.limits import limits_of
from runbus.settings.model import Function, Refused, Resolved
from runbus.settings.origins import explain, stored_origins, stored_overrode
from runbus.settings.reading import read_json
from runbus.settings.resolve import document_hash, resolve
from runbus.spec_validator.model import Accept, Reject, Request, Verdict

IDEMPOTENCY_KEY_CHARACTERS_MAX = 256
# A message carries 1 MiB, and an accepted one a document of up to half of that besides.
VIOLATIONS_BYTES_MAX = 256 * 1024
WARNINGS_BYTES_MAX = 64 * 1024


def judge(
    request: Request,
    run_id: str,
    defaults: Defaults,
    now: datetime,
    cluster_priority_classes: Sequence[str] | None = None,
    function: Function | Refused | None = None,
) -> Verdict:
    """Say whether a document becomes a run, with every violation if not.

    The cluster's priority classes (highest first) count where the operator lists none; None
    means that no cluster has been asked. `function` is what the catalogue gave for the function
    that the document names.
    """
    raw = read_json(request.body)
    if isinstance(raw, Refused):
        return reject(request, run_id, raw.violations, now)
    problems = _key_violations(request.key)
    resolved = resolve(
        raw.value,
        project=request.project,
        defaults=defaults,
        default_user=cut(request.user, WHO_CHARACTERS_MAX),
        cluster_priority_classes=cluster_priority_classes,
        function=function,
    )
    if isinstance(resolved, Refused):
        return reject(request, run_id, (*problems, *resolved.violations), now, raw.value)
    problems += _not_run_yet(resolved)
    if problems:
        return reject(request, run_id, problems, now, raw.value)
    classes = defaults.allowed_priority_classes or tuple(cluster_priority_classes or ())
    event = RunAccepted(
        status=_accepted_status(resolved, run_id, classes, now),
        document=resolved.document,
        platform=resolved.platform,
        document_hash=document_hash(raw.value),
        function_hash=resolved.function_hash,
        idempotency_key=request.key,
        warnings=within_size(resolved.warnings, WARNINGS_BYTES_MAX),
        origins=stored_origins(resolved),
        overrode=stored_overrode(resolved),
    )
    return Accept(event)


def explained(event: RunAccepted) -> ExplainReply:
    """Return every setting of an accepted document, its level and what it overrode."""
    return ExplainReply(
        accepted=True,
        warnings=event.warnings,
        settings=tuple(explain(event.document, event.origins, event.overrode)),
        function_hash=event.function_hash,
    )


def function_wanted(body: bytes) -> FunctionName | None:
    """Return the function of the catalogue that a request's document names, if any."""
    if b"function" not in body and b"\\u" not in body:  # the key cannot be written otherwise
        return None
    raw = read_json(body)
    return None if isinstance(raw, Refused) else reference_in(raw.value)


def reject(
    request: Request,
    run_id: str,
    violations: tuple[Violation, ...],
    now: datetime,
    raw: object = None,
) -> Reject:
    """Return the rejection of a request: whatever it brings with it, the event stays small."""
    name = raw.get("name") if isinstance(raw, dict) else None
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    status = RunStatus(
        run_id=run_id,
        project=request.project,
        name=cut(name, WHO_CHARACTERS_MAX) if isinstance(name, str) else "",
        user=cut(request.user, WHO_CHARACTERS_MAX),
        shard=shard_of(run_id),
        state=RunState.REJECTED,
        since=now,
        reason=_reason(violations).value,
        message=cut(f"{first.path}: {first.code}{more}"),
        status_text=cut(f"rejected: {first.path}: {first.hint or first.code}{more}"),
    )
    key = request.key and cut(request.key, IDEMPOTENCY_KEY_CHARACTERS_MAX)
    told = within_size(violations, VIOLATIONS_BYTES_MAX)
    return Reject(RunRejected(status=status, violations=told, idempotency_key=key))


def _not_run_yet(resolved: Resolved) -> tuple[Violation, ...]:
    """Refuse what can be judged and rendered, and that no service can run in this release."""
    kind = resolved.document.kind
    if kind is Kind.JOB:
        return ()
    given = kind.value if kind is not None else None
    hint = (
        f"kind {given} cannot be run by this release yet, only linted, explained and rendered"
        " (runbus lint, explain, render)"
    )
    code = ViolationCode.NOT_AVAILABLE.value
    return (Violation("/kind", code, given, [Kind.JOB.value], hint),)


def is_same_request(accepted: RunAccepted, wanted: RunAccepted) -> bool:
    """Say whether a stored run is the one that is asked for again."""
    return (
        accepted.idempotency_key == wanted.idempotency_key
        and accepted.document_hash == wanted.document_hash
    )


def key_reused(key: str | None, run_id: str) -> Violation:
    """Return the violation of a key that stands for another document already."""
    return Violation(
        path="/",
        code=ViolationCode.IDEMPOTENCY_KEY_REUSED,
        given=shortened(key),
        hint=f"run {run_id} was accepted under this key with another document: use a new key",
    )


def _key_violations(key: str | None) -> tuple[Violation, ...]:
    if key is None or 0 < len(key) <= IDEMPOTENCY_KEY_CHARACTERS_MAX:
        return ()
    wanted = "shorter" if key else "longer"
    violation = Violation(
        path="/",
        code=ViolationCode.INVALID_IDEMPOTENCY_KEY,
        given=key[:40],
        allowed=f"1 to {IDEMPOTENCY_KEY_CHARACTERS_MAX} characters",
        hint=f"give the header Runbus-Idempotency-Key a {wanted} value, or leave it out",
    )
    return (violation,)


def _reason(violations: tuple[Violation, ...]) -> Reason:
    reused = any(each.code == ViolationCode.IDEMPOTENCY_KEY_REUSED for each in violations)
    return Reason.KEY_REUSED if reused else Reason.INVALID_DOCUMENT


def _accepted_status(
    resolved: Resolved, run_id: str, classes: Sequence[str], now: datetime
) -> RunStatus:
    document: RunDocument = resolved.document
    name = document.priority_class
    limits = limits_of(document)
    status = RunStatus(
        run_id=run_id,
        project=document.project or "",
        name=document.name or "",
        kind=document.kind or Kind.UNKNOWN,
        user=document.user or "",
        shard=shard_of(run_id),
        namespace=resolved.namespace,
        state=RunState.ACCEPTED,
        since=now,
        accepted_at=now,
        status_text="accepted: waiting for the scheduler",
        thresholds=limits.thresholds,
        retry=limits.retry,
        ttl_after_finish_s=limits.ttl_after_finish_s,
        priority_class=name,
        priority_rank=classes.index(name) if name in classes else None,
    )
    return with_deadline(status)
