"""Run ids, shards, event ids, names and traces, against values computed by other means.

The expected ids were computed with coreutils (`printf ... | sha256sum | xxd -r -p | base32`), so
that a client in another language can be checked against the same table.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbus.contracts import subjects
from runbus.contracts.identity import (
    SHARDS,
    child_traceparent,
    event_id,
    object_name,
    run_id_from_key,
    run_id_from_random,
    run_id_from_sequence,
    shard_of,
)
from runbus.contracts.states import EventType


@pytest.mark.parametrize(
    ("project", "key", "run_id"),
    [
        ("nlp", "my-key-001", "g3np6izcvc7h"),
        ("p", "k", "bf5rpnypttyx"),
        ("nlp", "é z!", "nbxfrckqguut"),
    ],
)
def test_a_run_id_follows_from_project_and_key(project: str, key: str, run_id: str) -> None:
    assert run_id_from_key(project, key) == run_id


def test_a_run_id_follows_from_the_streams_creation_and_the_sequence() -> None:
    assert run_id_from_sequence("2026-11-01T10:00:00Z", 1) == "tu6maorlbztj"


def test_a_run_id_follows_from_random_bytes() -> None:
    assert run_id_from_random(bytes(range(8))) == "vzksxnzjt3vo"


@given(st.text(), st.text(), st.text(), st.text())
def test_two_requests_share_a_run_id_only_if_they_share_project_and_key(
    project: str, key: str, other_project: str, other_key: str
) -> None:
    same = run_id_from_key(project, key) == run_id_from_key(other_project, other_key)
    assert same == ((project, key) == (other_project, other_key))


def test_where_project_and_key_meet_makes_a_difference() -> None:
    assert run_id_from_key("ab", "c") != run_id_from_key("a", "bc")


def test_a_key_never_gives_the_id_of_a_sequence() -> None:
    assert run_id_from_key("p", "7") != run_id_from_sequence("p", 7)


@given(st.text(), st.text(), st.integers(0), st.binary(min_size=8, max_size=16))
def test_every_run_id_fits_the_subject_grammar(
    project: str, key: str, sequence: int, random_bytes: bytes
) -> None:
    ids = (
        run_id_from_key(project, key),
        run_id_from_sequence(key, sequence),
        run_id_from_random(random_bytes),
    )
    assert [subjects.is_run_id(run_id) for run_id in ids] == [True] * 3


@pytest.mark.parametrize(
    ("run_id", "shard"),
    [("000000000000", "37"), ("abcdefghij23", "1c"), ("zzzzzzzzzzzz", "03")],
)
def test_a_shard_is_the_crc_of_the_run_id_modulo_64(run_id: str, shard: str) -> None:
    assert shard_of(run_id) == shard


def test_runs_spread_evenly_over_all_shards() -> None:
    runs = 64_000
    counted = Counter(shard_of(run_id_from_sequence("created", n)) for n in range(runs))
    assert set(counted) == {f"{number:02x}" for number in range(SHARDS)}
    assert max(counted.values()) < 1.2 * runs / SHARDS
    assert min(counted.values()) > 0.8 * runs / SHARDS


def test_two_tries_to_store_one_transition_share_the_id_and_no_others_do() -> None:
    ids = {
        event_id(run, attempt, event_type, expected)
        for run in ("abcdefghij23", "abcdefghij24")
        for attempt in (1, 11)
        for event_type in EventType
        for expected in (1, 11)
    }
    assert len(ids) == 2 * 2 * len(EventType) * 2
    assert event_id("abcdefghij23", 1, EventType.RUNNING, 41) == "abcdefghij23-1-running-41"


def test_the_longest_object_name_leaves_room_for_operators_suffixes() -> None:
    name = object_name("n" * 26, "abcdefghij23", 100)
    assert name == "n" * 26 + "-abcdefghij23-100"
    assert len(name) <= 53


TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("parent", "flags"),
    [
        pytest.param(f"00-{TRACE}-{SPAN}-01", "01", id="sampled"),
        pytest.param(f"00-{TRACE}-{SPAN}-00", "00", id="not sampled"),
        pytest.param(f"01-{TRACE}-{SPAN}-01", "01", id="a later version"),
        pytest.param(f"01-{TRACE}-{SPAN}-01-more", "01", id="a later version that adds to it"),
    ],
)
def test_an_event_goes_on_with_the_trace_of_its_request(parent: str, flags: str) -> None:
    version, trace, span, found = child_traceparent(parent, "abcdefghij23", "an-event").split("-")
    assert (version, trace, found) == ("00", TRACE, flags)
    assert re.fullmatch(r"[0-9a-f]{16}", span)
    assert span != SPAN


@pytest.mark.parametrize(
    "parent",
    [
        None,
        "",
        "rubbish",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-0x",
        f"00-{TRACE}-{SPAN}-\r\n",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
    ],
)
def test_a_request_without_a_valid_trace_starts_the_trace_of_its_run(parent: str | None) -> None:
    first = child_traceparent(parent, "abcdefghij23", "an-event")
    assert first == child_traceparent(None, "abcdefghij23", "an-event")
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", first)


def test_each_event_has_a_span_of_its_own_in_the_trace_of_its_run() -> None:
    one = child_traceparent(None, "abcdefghij23", "one").split("-")
    two = child_traceparent(None, "abcdefghij23", "two").split("-")
    other_run = child_traceparent(None, "zzzzzzzzzzzz", "one").split("-")
    assert one[1] == two[1] != other_run[1]
    assert one[2] != two[2]
