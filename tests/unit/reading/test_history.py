"""Events and the lives of objects, made from messages and pods as they come."""

from __future__ import annotations

import pytest

from runbus.contracts import codec, envelope, labels, subjects
from runbus.contracts.document import RunDocument
from runbus.contracts.envelope import Envelope
from runbus.contracts.events import RunAccepted
from runbus.contracts.states import EventType, Kind
from runbus.reading.history import gone_life, histories, pod_life, stored_event
from support.pods import PodBuilder, a_bound_pod, a_pod
from support.runs import PROJECT, RUN_ID, a_status, at

SUBJECT = subjects.event(PROJECT, RUN_ID, "00", EventType.ACCEPTED)


def ours(pod: PodBuilder) -> PodBuilder:
    return pod.labelled(**{labels.PROJECT: PROJECT, labels.RUN_ID: RUN_ID, labels.ATTEMPT: "2"})


def an_accepted_message() -> tuple[dict[str, str], bytes]:
    document = RunDocument(project=PROJECT, name="train", kind=Kind.JOB, image="x:1")
    event = RunAccepted(
        status=a_status(), document=document, document_hash="abc", idempotency_key="key"
    )
    headers = envelope.to_headers(
        Envelope(id="id-1", type="dev.runbus.run.accepted.v1", source="/runbus/spec-validator")
    )
    return headers | {"Nats-Expected-Last-Subject-Sequence": "0"}, codec.encode(event)


def test_an_event_is_read_with_its_fence_its_publisher_and_its_key() -> None:
    event = stored_event(SUBJECT, 7, *an_accepted_message(), at(1))

    assert (event.sequence, event.expected, event.event_id) == (7, 0, "id-1")
    assert (event.publisher, event.event_type) == ("spec-validator", "accepted")
    assert (event.idempotency_key, event.document_hash) == ("key", "abc")
    assert event.stored_at == at(1)


def test_a_message_that_is_no_event_is_refused() -> None:
    headers, _ = an_accepted_message()

    with pytest.raises(ValueError, match="accepted event that cannot be read"):
        stored_event(SUBJECT, 7, headers, b"{}")
    with pytest.raises(ValueError, match="not the subject of an event"):
        stored_event("runbus.v1.submit.nlp", 7, headers, b"{}")


def test_a_life_takes_each_moment_once() -> None:
    life = pod_life(None, ours(a_pod()).pod(), at(1))
    assert life is not None
    assert (life.run, life.attempt, life.appeared_at) == (f"{PROJECT}/{RUN_ID}", 2, at(1))
    assert (life.started_at, life.over_at) == (None, None)

    running = ours(a_bound_pod()).running()
    life = pod_life(life, running.pod(), at(2))
    life = pod_life(life, running.deleting(grace_s=30).pod(), at(3))
    ended = running.deleting(grace_s=30).terminated(0).phase("Succeeded")
    life = pod_life(life, ended.pod(), at(4))
    life = pod_life(life, ended.pod(), at(5))
    assert life is not None
    life = gone_life(gone_life(life, at(6)), at(7))

    assert (life.appeared_at, life.started_at) == (at(1), at(2))
    assert (life.deletion_asked_at, life.grace_s) == (at(3), 30.0)
    assert (life.ended_at, life.over_at, life.gone_at) == (at(4), at(4), at(6))


def test_a_pod_of_nobody_has_no_life() -> None:
    unlabelled = a_pod().document()
    unlabelled["metadata"]["labels"] = {}

    assert pod_life(None, PodBuilder(unlabelled).pod(), at(1)) is None


def test_events_and_objects_come_together_by_run() -> None:
    event = stored_event(SUBJECT, 7, *an_accepted_message())
    life = pod_life(None, ours(a_pod()).pod(), at(1))
    assert life is not None

    [run] = histories([event], [life])

    assert (run.run, run.events, run.objects) == (f"{PROJECT}/{RUN_ID}", (event,), (life,))
    assert run.status is event.status
