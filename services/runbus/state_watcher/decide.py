"""PURE: what to do about a run now, from its status, its pods and the time.

Level-based: the same view gives the same decision, however it came about. The order of the rules
is the order of the functions below: end of the attempt, state, deadline; or, under an abort, own
end, waiting for the objects to go, aborted.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from runbus.contracts.commands import KeepEvidence, ObjectFence
from runbus.contracts.deadlines import next_deadline
from runbus.contracts.evidence import EvidenceCause
from runbus.contracts.identity import object_name
from runbus.contracts.states import OBJECT_STATES, OutcomeClass, Reason, RunState
from runbus.contracts.status import RunStatus
from runbus.reading.forcing import may_still_run
from runbus.state_watcher.cleaning import clean_up
from runbus.state_watcher.deadlines import judge
from runbus.state_watcher.events import (
    aborted_event,
    end_event,
    lost_reading,
    state_event,
    will_retry,
)
from runbus.state_watcher.model import Command, Decision, Known, Look, PodSeen

# A pod that the launcher says is there shows on the watch within milliseconds.
LAUNCHED_UNSEEN_S = 3.0
# The launcher gives up a create after 10 s; two more for the request's way.
CREATE_DEADLINE_S = 10.0
CREATE_MARGIN_S = 2.0
UNREACHABLE_AGAIN_S = 5.0
UNWATCHED_AGAIN_S = 5.0
# After a 404 the watch may still bring how the pod ended: a pod is lost only after this.
LOST_PATIENCE_S = 1.0
# A node is asked about within milliseconds; an end does not wait for longer than this.
NODE_PATIENCE_S = 2.0


class Rules(Struct, frozen=True, kw_only=True):
    """The watcher's settings that decisions depend on."""

    abort_never_pullable: bool = True
    unreachable_force_after_s: float = 300.0


def decide(known: Known, now: datetime, rules: Rules) -> Decision:
    """Decide about one run."""
    state = known.status.state
    if state.is_final:
        decision = Decision(forget=all(pod.gone or pod.missing for pod in known.pods))
    elif state is RunState.ABORTING:
        decision = _decide_aborting(known, now, rules)
    elif state in OBJECT_STATES and (known.synced or state is RunState.ADMITTED):
        decision = _decide_attempt(known, now, rules)
    elif state in OBJECT_STATES:
        decision = _decide_unlisted(known, now, rules)
    else:
        decision = judge(known, None, now, rules.abort_never_pullable)
    if not known.watched or (known.current is not None and known.current.unwatched):
        decision = _with_questions(known, decision, now)
    if not known.synced:
        return decision
    commands, due_at = clean_up(known, now)
    return Decision(
        commands=decision.commands + commands,
        publish=decision.publish,
        look=decision.look,
        ask=decision.ask,
        wake_at=_earlier(decision.wake_at, due_at),
        forget=decision.forget,
    )


def _decide_attempt(known: Known, now: datetime, rules: Rules) -> Decision:
    pod = known.current
    if pod is None or pod.gone:
        return _decide_missing(known, pod, now, rules)
    if pod.reading.ended:
        return _decide_ended(known, pod, now)
    if pod.missing:
        return _ask(known, now)
    evidence = _keep_evidence(known, pod, EvidenceCause.DELETING) if pod.reading.is_deleting else ()
    publish = state_event(known, pod, now)
    if publish is not None:
        return Decision(commands=evidence, publish=publish)
    decision = judge(known, pod, now, rules.abort_never_pullable)
    return replace(decision, commands=evidence + decision.commands)


def _decide_unlisted(known: Known, now: datetime, rules: Rules) -> Decision:
    """Decide about a run of a shard just gained, before its first list: only whether it is overdue.

    Its pod is asked for by name, and the answer is newer than any list (ADR-0032). Whatever else
    there is to say of the run waits for the list.
    """
    found = next_deadline(known.status)
    if found is None or now < found[0]:
        return Decision(wake_at=found[0] if found is not None else None)
    if known.confirmed_at is None or known.confirmed_at < found[0]:
        return Decision(look=_look(known))
    pod = known.current
    if pod is None or pod.gone or pod.reading.ended:
        return Decision()
    publish = state_event(known, pod, now)
    if publish is not None:
        return Decision(publish=publish)
    return judge(known, pod, now, rules.abort_never_pullable)


def _decide_ended(known: Known, pod: PodSeen, now: datetime) -> Decision:
    """Store the end; a retry waits until a sidecar that is left has gone, so none overlap."""
    evidence, reading = _keep_evidence(known, pod, EvidenceCause.ENDED), pod.reading
    node_by = _node_known_by(known, pod, now)
    if node_by is not None:
        return Decision(commands=evidence, wake_at=node_by)
    if reading.needs_cleanup and will_retry(known, reading, pod, now):
        return Decision(commands=evidence)
    return Decision(commands=evidence, publish=end_event(known, reading, pod, now))


def _decide_missing(known: Known, pod: PodSeen | None, now: datetime, rules: Rules) -> Decision:
    """Decide about an attempt without an object: not yet made, or gone."""
    if pod is None and known.status.state is RunState.ADMITTED and known.launched_at is None:
        return judge(known, None, now, rules.abort_never_pullable)
    if pod is not None and pod.reading.reason != Reason.POD_LOST.value:
        return _decide_ended(known, pod, now)
    if not known.synced or not known.reachable:
        return _ask(known, now)
    if pod is None and known.launched_at is not None and not known.foreign_uid:
        patience = known.launched_at + timedelta(seconds=LAUNCHED_UNSEEN_S)
        if now < patience:
            return Decision(wake_at=patience)
    if known.absent_at is None and not known.foreign_uid:
        return _ask(known, now)
    if known.absent_at is not None:
        patience = known.absent_at + timedelta(seconds=LOST_PATIENCE_S)
        if now < patience:
            return Decision(wake_at=patience)
    if pod is None or pod.uid == known.foreign_uid:
        return Decision(publish=end_event(known, lost_reading(known), pod, now))
    return _decide_ended(known, pod, now)


def _node_known_by(known: Known, pod: PodSeen, now: datetime) -> datetime | None:
    """Return how long the platform's end of an attempt waits for the sort of its node, if it does.

    The answer decides on the reason, and so on a retry, and it is on its way.
    """
    if pod.reading.outcome_class is not OutcomeClass.INFRASTRUCTURE:
        return None
    if known.is_node_lost or known.on_unknown_node is None:
        return None
    patience = pod.entered_at + timedelta(seconds=NODE_PATIENCE_S)
    return patience if now < patience else None


def _decide_aborting(known: Known, now: datetime, rules: Rules) -> Decision:
    pod = known.current
    if not _may_have_objects(known.status):
        return Decision(publish=aborted_event(known, now))
    if pod is not None and pod.own_end:
        return _decide_ended(known, pod, now)
    if pod is not None and pod.missing:
        return _ask(known, now)
    if pod is not None and not pod.gone:
        return Decision()  # waits for it to go; `clean_up` asks again where nobody deletes it
    if pod is not None:
        node = _unreachable_node(pod, rules)
        return Decision(publish=aborted_event(known, now, may_still_run_on=node))
    return _decide_aborting_unseen(known, now)


def _decide_aborting_unseen(known: Known, now: datetime) -> Decision:
    """Decide about an abort where no object is in sight: there may be one all the same."""
    status = known.status
    judged = status.abort.state if status.abort is not None else None
    if known.foreign_uid:
        return Decision(publish=aborted_event(known, now))
    if not known.synced or not known.reachable:
        return _ask(known, now)
    sure_at = status.since
    if judged is RunState.ADMITTED and known.launched_at is None:
        sure_at += timedelta(seconds=CREATE_DEADLINE_S + CREATE_MARGIN_S)
    if now < sure_at:
        return Decision(wake_at=sure_at)
    if known.absent_at is None or known.absent_at < sure_at:
        return _ask(known, now)
    return Decision(publish=aborted_event(known, now))


def _with_questions(known: Known, decision: Decision, now: datetime) -> Decision:
    """Have the pod asked for by name now and again, where no watch tells of it."""
    if known.launched_at is None and known.current is None:
        return decision
    confirmed_at = known.confirmed_at or datetime.min.replace(tzinfo=now.tzinfo)
    at = confirmed_at + timedelta(seconds=UNWATCHED_AGAIN_S)
    if decision.publish is None and decision.look is None and at <= now:
        decision = replace(decision, look=_look(known))
    return replace(decision, wake_at=_earlier(decision.wake_at, max(at, now)))


def _may_have_objects(status: RunStatus) -> bool:
    """Say whether the aborted attempt was in a state with objects.

    What is there of a run that waited for its next attempt belongs to an attempt that has ended.
    """
    return status.abort is None or status.abort.state in OBJECT_STATES


def _unreachable_node(pod: PodSeen, rules: Rules) -> str:
    """Return the node on which a pod deleted by force may still run; empty where it cannot."""
    if pod.forced_at is None or pod.reading.finished_at is not None:
        return ""
    after_s = rules.unreachable_force_after_s
    return pod.reading.node_name if may_still_run(pod.deletion_at, pod.forced_at, after_s) else ""


def _keep_evidence(known: Known, pod: PodSeen, cause: EvidenceCause) -> tuple[Command, ...]:
    """Ask for evidence, once for each cause: a pod that is deleted may never show its end."""
    is_ended = cause is EvidenceCause.ENDED
    asked = known.evidence_asked if is_ended else known.evidence_asked_deleting
    attempt = known.status.attempt
    if asked >= attempt or pod.gone:
        return ()
    fence = ObjectFence(namespace=pod.namespace, name=pod.name, uid=pod.uid)
    return (
        Command(
            KeepEvidence(attempt=attempt, namespace=pod.namespace, objects=(fence,), cause=cause)
        ),
    )


def _ask(known: Known, now: datetime) -> Decision:
    """Ask for the pod by name, once the API server can be asked at all."""
    if not known.synced or not known.reachable:
        return Decision(wake_at=now + timedelta(seconds=UNREACHABLE_AGAIN_S))
    return Decision(look=_look(known))


def _look(known: Known) -> Look:
    status = known.status
    return Look(status.namespace, object_name(status.name, status.run_id, status.attempt))


def _earlier(first: datetime | None, second: datetime | None) -> datetime | None:
    if first is None or second is None:
        return first or second
    return min(first, second)
