"""Everything about one run, in people's words: state, limits, pods, evidence. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from runbus.cli.output.runs import why_now_text, why_text
from runbus.cli.output.times import moment_text, since, span, until
from runbus.contracts.deadlines import whole_limit_s
from runbus.contracts.evidence import RunEvidence
from runbus.contracts.status import Limit, RunStatus
from runbus.reading.aborts import passed_in
from runbus.sdk.logs import log_tails
from runbus.sdk.runs import RunRecord

LOG_LINES_SHOWN = 10
KUBE_EVENTS_SHOWN = 5
_LABEL_WIDTH = 14


def run_text(record: RunRecord, evidence: Sequence[RunEvidence], now: datetime) -> str:
    """Return the page of a run.

    Args:
        record: the run as it stands.
        evidence: of its attempts, oldest first.
        now: for what is left and what has passed.

    """
    lines = [
        *_head(record, now),
        *_limits(record.status, now),
        *_retry(record.status, now),
        *_abort(record.status),
        *_pods(record.status),
    ]
    for each in evidence:
        lines += _evidence(each)
    return "\n".join(lines) + "\n"


def _head(record: RunRecord, now: datetime) -> Iterable[str]:
    status = record.status
    yield _line("Run", record.ref)
    yield _line("Name", f"{status.name or '-'} ({status.kind.value})")
    if status.user:
        yield _line("User", status.user)
    yield _line("State", f"{status.state.value}, for {since(status.since, now)}")
    yield _line("Why", why_now_text(status, now))
    if status.reason:
        whose = f" ({status.outcome_class.value})" if status.outcome_class else ""
        yield _line("Reason", status.reason + whose)
    if status.message and status.message not in why_text(status):
        yield _line("Message", status.message)
    if status.exit_code is not None:
        in_container = f" of container {status.container}" if status.container else ""
        yield _line("Exit code", f"{status.exit_code}{in_container}")
    yield _line("Attempt", str(status.attempt))
    if status.accepted_at is not None:
        ago = since(status.accepted_at, now)
        yield _line("Accepted", f"{moment_text(status.accepted_at)}, {ago} ago")
    if status.namespace:
        yield _line("Namespace", status.namespace)
    if status.priority_class:
        yield _line("Priority", status.priority_class)
    yield _line("Last event", f"{record.event_type} ({record.sequence})")


def _limits(status: RunStatus, now: datetime) -> Iterable[str]:
    if status.deadline is not None:
        left = until(status.deadline, now)
        text = f"{moment_text(status.deadline)} ({status.deadline_of})"
        yield _line("Deadline", f"{text}, {left if left == 'due' else left + ' left'}")
    if status.thresholds:
        yield "Thresholds:"
        width = max(len(name) for name in status.thresholds)
        for name, limit in status.thresholds.items():
            yield f"  {name:<{width}}   {_limit(limit, status.attempt)}"


def _limit(limit: Limit, attempt: int) -> str:
    if limit.limit_s is None:
        return "no limit"
    text = span(limit.limit_s)
    extended_s = whole_limit_s(limit, attempt) - limit.limit_s
    if extended_s:
        text += f", extended by {span(extended_s)}"
    if limit.paused_at is not None:
        text += f", paused since {moment_text(limit.paused_at)}"
    return text


def _retry(status: RunStatus, now: datetime) -> Iterable[str]:
    if status.retry.limit:
        on = ", ".join(status.retry.on)
        yield _line("Retries", f"up to {status.retry.limit}, on {on}")
    if status.not_before is not None:
        yield _line("Next attempt", f"in {until(status.not_before, now)}")


def _abort(status: RunStatus) -> Iterable[str]:
    cause = status.abort
    if cause is None:
        return
    yield _line("Aborted by", cause.by)
    if cause.message:
        yield _line("", cause.message)
    if cause.limit_s is not None and cause.state is not None:
        late = f", decided {cause.overdue_ms} ms after it" if cause.overdue_ms is not None else ""
        yield _line("", f"limit {span(cause.limit_s)} in {passed_in(cause)}{late}")


def _pods(status: RunStatus) -> Iterable[str]:
    if not status.pods:
        return
    yield "Pods:"
    for pod in status.pods:
        node = f" on {pod.node}" if pod.node else ""
        spot = " (spot)" if pod.spot else ""
        yield f"  {pod.name}{node}{spot}"


def _evidence(evidence: RunEvidence) -> Iterable[str]:
    yield f"Evidence of attempt {evidence.attempt} ({evidence.cause}):"
    for pod in evidence.pods:
        where = f" on {pod.node}" if pod.node else ""
        yield f"  pod {pod.name}: {pod.phase or 'phase unknown'}{where}"
        for condition in pod.conditions:
            if condition.get("status") == "False" and condition.get("message"):
                yield f"    {condition.get('type')}: {condition['message']}"
    for event in evidence.kube_events[-KUBE_EVENTS_SHOWN:]:
        times = f" (x{event.count})" if event.count > 1 else ""
        yield f"  {event.type} {event.reason}: {event.message}{times}"
    for tail in log_tails([evidence]):
        if tail.text:
            yield f"  last lines of {tail.container}:"
            yield from (f"    {line}" for line in tail.lines[-LOG_LINES_SHOWN:])
        elif tail.problem:
            yield f"  no log of {tail.container}: {tail.problem}"
    for problem in evidence.problems:
        yield f"  not known: {problem}"


def _line(label: str, text: str) -> str:
    return f"{label + ':' if label else '':<{_LABEL_WIDTH}}{text}"
