"""What the doctor says of consumers and rights, and how it sums up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runbus.cli.doctor.defaults import judged_defaults
from runbus.cli.doctor.findings import Finding, Grade, Section, exit_of, ok, problem, some
from runbus.cli.doctor.findings import unreachable as not_reached
from runbus.cli.doctor.findings import warning as worth_a_look
from runbus.cli.doctor.services import judged, leases
from runbus.cli.exits import Exit
from runbus.cli.output.findings import finding_lines, summary
from runbus.contracts.codec import encode
from runbus.contracts.leases import ALL_SHARDS, ShardLease, watcher_key
from runbus.contracts.streams import LAUNCH_CONSUMER, consumer
from runbus.contracts.transitions import Publisher
from runbus.sdk.bus import StoredMessage
from runbus.sdk.defaults import DefaultsRevision

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
FINE = ok(Section.BUS, "fine")
ODD = worth_a_look(Section.RUNS, "odd", "look")
WRONG = problem(Section.STREAMS, "wrong", "mend it")
GONE = not_reached(Section.CLUSTER, "gone")


def a_moment_ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize(
    ("info", "grade", "told"),
    [
        ({"num_waiting": 1}, None, ""),
        ({"num_waiting": 1, "num_pending": 500}, None, ""),
        ({"num_waiting": 0, "num_ack_pending": 5}, None, ""),
        ({"num_waiting": 0, "num_pending": 3}, Grade.PROBLEM, "nobody takes messages"),
        ({"num_waiting": 1, "num_pending": 5000}, Grade.WARNING, "5000 messages wait"),
        (
            {"num_ack_pending": 2, "ack_floor": {"last_active": a_moment_ago(90)}},
            Grade.WARNING,
            "2 messages of consumer pod-launcher are in hand, and none was answered for 1m30s",
        ),
        ({"num_ack_pending": 2, "ack_floor": {"last_active": a_moment_ago(5)}}, None, ""),
    ],
)
def test_a_consumer_is_judged_by_who_pulls_and_what_waits(
    info: dict[str, Any], grade: Grade | None, told: str
) -> None:
    found = judged(consumer(LAUNCH_CONSUMER), info, NOW)
    assert [each.grade for each in found] == ([grade] if grade else [])
    if grade:
        assert told in found[0].what
        assert "pod-launcher" in found[0].way_out


@pytest.mark.parametrize(
    ("findings", "code", "told"),
    [
        ([FINE], Exit.DONE, "everything is fine"),
        ([FINE, ODD], Exit.DONE, "1 warning"),
        ([FINE, ODD, WRONG, WRONG], Exit.RUN_ERROR, "2 problems, 1 warning"),
        ([WRONG, GONE], Exit.UNREACHABLE, "2 problems"),
    ],
)
def test_the_exit_code_tells_the_worst(findings: list[Finding], code: Exit, told: str) -> None:
    assert exit_of(findings) is code
    assert summary(findings) == told


def test_a_finding_is_a_line_with_its_way_out_below() -> None:
    assert finding_lines(WRONG) == [
        "problem  streams   wrong",
        "                   -> mend it",
    ]
    assert finding_lines(FINE, is_coloured=True) == ["\x1b[32mok     \x1b[0m  bus       fine"]


def test_of_many_names_a_few_are_told() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some("abcdefg") == "a, b, c, d, e and 2 more"


@pytest.mark.parametrize(
    ("contents", "grade", "words"),
    [
        ([], Grade.OK, "none on the bus"),
        ([b"limits: {}"], Grade.OK, "revision 1, stored"),
        ([b"limits: {}", None], Grade.OK, "none on the bus"),
        ([b"limits: {}", b"limits: 7"], Grade.PROBLEM, "no effect; revision 1 holds"),
        ([b"limits: 7"], Grade.PROBLEM, "no effect; a service's own RUNBUS_DEFAULTS_FILE holds"),
    ],
    ids=["empty", "good", "removed", "broken", "only broken"],
)
def test_the_defaults_in_force_are_told_and_refused_ones_are_a_problem(
    contents: list[bytes | None], grade: Grade, words: str
) -> None:
    kept = [
        DefaultsRevision(revision=number, content=content, stored_at=NOW)
        for number, content in enumerate(contents, start=1)
    ]
    found = judged_defaults(kept)
    assert (found.grade, words in found.what) == (grade, True), found.what
    assert bool(found.way_out) is (grade is Grade.PROBLEM)


def a_lease_of(replica: str, *shards: str) -> tuple[str, StoredMessage]:
    body = encode(ShardLease(process="p", shards=shards))
    return watcher_key(replica), StoredMessage("", 1, body, {})


def test_shards_that_nobody_owns_are_named() -> None:
    holders = dict([a_lease_of("a", *ALL_SHARDS[:40]), a_lease_of("b", *ALL_SHARDS[42:])])

    [found] = leases(Publisher.STATE_WATCHER, holders)

    assert found.grade is Grade.PROBLEM
    assert found.what == (
        "state-watcher: shards that nobody owns: 28, 29; nobody looks after their runs"
    )


def test_shards_that_are_shared_by_replicas_are_fine() -> None:
    holders = dict([a_lease_of("a", *ALL_SHARDS[:40]), a_lease_of("b", *ALL_SHARDS[40:])])

    assert leases(Publisher.STATE_WATCHER, holders) == []


def test_without_any_owner_nobody_does_the_work() -> None:
    for publisher in (Publisher.STATE_WATCHER, Publisher.SCHEDULER):
        [found] = leases(publisher, {})
        assert "nobody does its work" in found.what
