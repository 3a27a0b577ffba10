"""Streams, buckets and consumers as data: what the server would refuse, or do wrongly, by them."""

from __future__ import annotations

from itertools import combinations

import pytest

from runbus.contracts import streams, subjects
from runbus.contracts.states import EventType
from runbus.contracts.streams import BUCKETS, CONSUMERS, STREAMS, Retention

RUN = "abcdefghij23"


def overlap(one: str, other: str) -> bool:
    """Say whether a subject can match both filters (no filter here ends in `>`)."""
    pairs = list(zip(one.split("."), other.split("."), strict=False))
    same_length = one.count(".") == other.count(".")
    return same_length and all("*" in pair or pair[0] == pair[1] for pair in pairs)


def stream_of(subject: str) -> list[str]:
    """Return the streams that would store a subject."""
    return [spec.name for spec in STREAMS if any(overlap(subject, own) for own in spec.subjects)]


def test_no_two_streams_share_a_subject() -> None:
    own = [(spec.name, subject) for spec in STREAMS for subject in spec.subjects]
    shared = [pair for pair in combinations(own, 2) if overlap(pair[0][1], pair[1][1])]
    assert shared == []


def test_the_filters_of_one_work_queue_do_not_overlap() -> None:
    queues = {spec.name for spec in STREAMS if spec.retention is Retention.WORK_QUEUE}
    filters = [spec for spec in CONSUMERS if spec.stream in queues]
    shared = [
        (one.name, other.name)
        for one, other in combinations(filters, 2)
        if one.stream == other.stream and overlap(one.filter_subject, other.filter_subject)
    ]
    assert queues == {streams.COMMANDS}
    assert shared == []


def test_every_command_in_the_work_queue_has_one_consumer() -> None:
    (commands,) = (spec for spec in STREAMS if spec.name == streams.COMMANDS)
    filters = [spec.filter_subject for spec in CONSUMERS if spec.stream == streams.COMMANDS]
    assert sorted(filters) == sorted(commands.subjects)


@pytest.mark.parametrize(
    ("subject", "stream"),
    [
        (subjects.submit("nlp"), streams.COMMANDS),
        *(
            (subjects.command(verb, "nlp", RUN), streams.COMMANDS)
            for verb in subjects.COMMAND_VERBS
        ),
        *((subjects.event("nlp", RUN, "1c", each), streams.EVENTS) for each in EventType),
        (subjects.evidence("nlp", RUN), streams.EVIDENCE),
        (subjects.dead_letter("aborter"), streams.DEADLETTERS),
    ],
)
def test_every_subject_is_stored_by_exactly_one_stream(subject: str, stream: str) -> None:
    assert stream_of(subject) == [stream]


@pytest.mark.parametrize("verb", [subjects.API_SUBMIT, subjects.API_LINT])
def test_requests_are_stored_by_no_stream(verb: str) -> None:
    assert stream_of(subjects.api(verb, "nlp")) == []


def test_every_consumer_reads_a_stream_that_holds_its_subjects() -> None:
    assert [stream_of(spec.filter_subject) for spec in CONSUMERS] == [
        [spec.stream] for spec in CONSUMERS
    ]


def test_events_never_expire_by_age_and_only_dead_letters_do() -> None:
    assert [spec.name for spec in STREAMS if spec.max_age_s] == [streams.DEADLETTERS]


@pytest.mark.parametrize(
    ("bucket", "key"),
    [(streams.RUNS_BUCKET, f"nlp.{RUN}"), (streams.LIVE_BUCKET, f"1c.nlp.{RUN}")],
)
def test_a_sourced_bucket_holds_one_key_for_each_run(bucket: str, key: str) -> None:
    (spec,) = (spec for spec in BUCKETS if spec.name == bucket)
    tokens = subjects.event("nlp", RUN, "1c", EventType.RUNNING).split(".")[3:]
    filled = spec.sourced_to or ""
    for number, token in enumerate(tokens, start=1):
        filled = filled.replace(f"{{{{wildcard({number})}}}}", token)
    assert filled == key
    assert spec.history == 1, "more would keep events of runs that ended long ago"


def test_names_of_streams_buckets_and_consumers_are_unique() -> None:
    for names in (
        [spec.name for spec in STREAMS],
        [spec.name for spec in BUCKETS],
        [spec.name for spec in CONSUMERS],
    ):
        assert len(names) == len(set(names))


@pytest.mark.parametrize("spec", CONSUMERS, ids=lambda spec: spec.name)
def test_a_consumer_is_found_by_its_name(spec: streams.ConsumerSpec) -> None:
    assert streams.consumer(spec.name) is spec


def test_an_unknown_consumer_is_named() -> None:
    with pytest.raises(LookupError, match="'nobody'"):
        streams.consumer("nobody")
