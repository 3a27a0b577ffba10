"""Whether runs are where they should be: dead letters, deadlines that passed, the invariants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from runbus.cli.doctor.findings import Finding, Section, ok, problem, some, warning
from runbus.cli.kube_access import KubeAccess
from runbus.contracts import labels, subjects
from runbus.contracts.deadlines import next_deadline
from runbus.contracts.streams import DEADLETTERS, EVENTS
from runbus.reading.history import (
    Allowances,
    ObjectLife,
    StoredEvent,
    World,
    histories,
    pod_life,
    stored_event,
)
from runbus.reading.invariants import Breach, Invariant, check
from runbus.reading.launches import is_overdue
from runbus.reading.objects import Pod, decode_pod_list
from runbus.reading.pods import read_pod
from runbus.sdk.client import Client
from runbus.sdk.deliveries import until_caught_up
from runbus.sdk.errors import NotFoundError
from runbus.sdk.follow import follow
from runbus.sdk.runs import RunRecord, newest_first

# A deadline is acted on within milliseconds; a restarting service takes seconds.
OVERDUE_S = 30.0
LIVE_MAX = 300
ENDED_MAX = 100
RUNS_AT_ONCE = 50
PODS_PAGE = 500
PODS_PAGES_MAX = 10
# For one look from outside: clocks differ, and a node may take minutes to let a pod go.
ALLOWANCES = Allowances(late_s=1.0, slack_s=30.0, stuck_after_s=120.0, aborting_after_s=900.0)


async def check_runs(client: Client, kube: KubeAccess | None) -> list[Finding]:
    """Return what is wrong with runs, as far as their events and pods show it."""
    found = await _dead_letters(client)
    records = await client.list_runs()
    now = datetime.now(UTC)
    overdue = _overdue(records, now)
    live = [each for each in records if not each.status.state.is_final]
    found.append(ok(Section.RUNS, f"{len(live)} live, {len(records) - len(live)} over"))
    if overdue:
        text = f"the deadline passed, and nothing happened: {some(each.ref for each in overdue)}"
        way_out = "state-watcher or aborter do not do their work: see the services above"
        found.append(problem(Section.RUNS, text, way_out))
    uncreated = [each for each in records if is_overdue(each.status, now)]
    found += not_created(uncreated)
    sample = _sample(records)
    events = await _events(client, sample)
    known = {each.ref for each in records}
    looked_at = {each.ref for each in sample}
    lives = [
        life for life in await _lives(kube, now) if life.run in looked_at or life.run not in known
    ]
    world = World(now=now, runs=histories(events, lives), allowances=ALLOWANCES)
    told = {each.ref for each in (*overdue, *uncreated)}
    breaches = [
        each
        for each in check(world)
        if not (each.invariant is Invariant.RUNS_END and each.run in told)
    ]
    return [*found, *_broken(breaches, len(sample), len(lives))]


async def _dead_letters(client: Client) -> list[Finding]:
    try:
        info = await client.bus.api(f"STREAM.INFO.{DEADLETTERS}", {"subjects_filter": ">"})
    except NotFoundError:
        return []  # told with the streams
    by_subject: dict[str, int] = info["state"].get("subjects") or {}
    total = int(info["state"]["messages"])
    if not total:
        return [ok(Section.RUNS, "no dead letters")]
    parts = [f"{subject.rpartition('.')[2]} {count}" for subject, count in by_subject.items()]
    what = "message" if total == 1 else "messages"
    text = f"{total} {what} could not be handled: {', '.join(sorted(parts))}"
    return [warning(Section.RUNS, text, "`runbus deadletters list` shows them")]


def _overdue(records: Sequence[RunRecord], now: datetime) -> list[RunRecord]:
    found = []
    for record in records:
        deadline = next_deadline(record.status)
        if deadline is not None and now - deadline[0] > timedelta(seconds=OVERDUE_S):
            found.append(record)
    return found


def not_created(runs: Sequence[RunRecord]) -> list[Finding]:
    """Return as one problem the runs that are admitted and of which nothing is created."""
    if not runs:
        return []
    way_out = (
        "Kubernetes does not answer pod-launcher, is too busy for it, or refuses its credentials:"
        " its /readyz (kubernetes) and its log say which"
    )
    text = f"admitted, and nothing is created: {some(each.ref for each in runs)}"
    return [problem(Section.RUNS, text, way_out)]


def _sample(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs to look at closely: those alive the longest, and those that ended last."""
    live = sorted(
        (each for each in records if not each.status.state.is_final), key=lambda each: each.sequence
    )
    ended = newest_first(each for each in records if each.status.state.is_final)
    return [*live[:LIVE_MAX], *ended[:ENDED_MAX]]


async def _events(client: Client, runs: Sequence[RunRecord]) -> list[StoredEvent]:
    found: list[StoredEvent] = []
    for start in range(0, len(runs), RUNS_AT_ONCE):
        filters = [
            subjects.events_of_run(each.status.project, each.status.run_id)
            for each in runs[start : start + RUNS_AT_ONCE]
        ]
        async with follow(client.bus, EVENTS, filters) as follower:
            async for message in until_caught_up(follower):
                try:
                    event = stored_event(
                        message.subject,
                        message.sequence,
                        message.headers,
                        message.data,
                        message.stored_at,
                    )
                except ValueError:
                    continue  # of a newer release
                found.append(event)
    return found


async def _lives(kube: KubeAccess | None, now: datetime) -> list[ObjectLife]:
    """Return what can be told of pods' lives from one look at them."""
    if kube is None:
        return []
    found: list[ObjectLife] = []
    query = {"labelSelector": labels.RUN_ID, "limit": str(PODS_PAGE)}
    for _ in range(PODS_PAGES_MAX):
        answer = await kube.request("GET", "/api/v1/pods", query=query)
        if not answer.is_success:
            return []  # told with the rights
        page = decode_pod_list(answer.body)
        found += [life for pod in page.items if (life := _life(pod, now)) is not None]
        if not page.metadata.next_page:
            break
        query["continue"] = page.metadata.next_page
    return found


def _life(pod: Pod, now: datetime) -> ObjectLife | None:
    """Return a pod's life by its own timestamps, where it has them."""
    life = pod_life(None, pod, now)
    if life is None:
        return None
    reading = read_pod(pod)
    return msgspec.structs.replace(
        life,
        appeared_at=pod.metadata.creation_timestamp or now,
        started_at=reading.started_at or life.started_at,
        ended_at=(reading.finished_at or now) if life.ended_at is not None else None,
        deletion_asked_at=reading.deleted_at or life.deletion_asked_at,
    )


def _broken(breaches: Sequence[Breach], runs: int, pods: int) -> list[Finding]:
    if not breaches:
        text = f"what must always hold does, in {runs} runs and {pods} pods looked at closely"
        return [ok(Section.RUNS, text)]
    by_invariant = Counter(each.invariant for each in breaches)
    found = []
    for invariant in by_invariant:
        own = [each for each in breaches if each.invariant is invariant]
        told = some(f"{each.run} {each.text}".strip() for each in own)
        name = invariant.name.lower().replace("_", " ")
        way_out = "`runbus get RUN` shows it; `runbus abort RUN` ends it"
        found.append(problem(Section.RUNS, f"{name} does not hold: {told}", way_out))
    return found
