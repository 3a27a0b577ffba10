"""The best log tail of each container, out of several evidences."""

from __future__ import annotations

from runbus.contracts.evidence import ContainerEvidence, PodEvidence, RunEvidence
from runbus.sdk.logs import LogTail, log_tails
from support.runs import T0


def evidence(
    attempt: int, tail: str | None, *, cause: str = "ended", problem: str = ""
) -> RunEvidence:
    """Return the evidence of one pod with one container."""
    container = ContainerEvidence(name="main", log_tail=tail, log_problem=problem)
    return RunEvidence(
        run_id="r",
        project="nlp",
        attempt=attempt,
        cause=cause,
        collected_at=T0,
        pods=(PodEvidence(name=f"p-{attempt}", containers=(container,)),),
    )


def tail(attempt: int, text: str | None, problem: str = "") -> LogTail:
    """Return the tail expected of such an evidence."""
    return LogTail(
        attempt=attempt, pod=f"p-{attempt}", container="main", text=text, problem=problem
    )


def test_each_attempt_has_its_own_tail_in_order() -> None:
    assert log_tails([evidence(2, "b"), evidence(1, "a")]) == [tail(1, "a"), tail(2, "b")]


def test_only_the_attempt_asked_for_is_given() -> None:
    assert log_tails([evidence(1, "a"), evidence(2, "b")], 2) == [tail(2, "b")]


def test_the_later_evidence_of_an_attempt_wins() -> None:
    found = log_tails([evidence(1, "early", cause="aborting"), evidence(1, "early\nlate")])
    assert found == [tail(1, "early\nlate")]


def test_a_later_evidence_without_a_log_does_not_hide_the_earlier_one() -> None:
    found = log_tails([evidence(1, "early"), evidence(1, None, problem="the pod is gone")])
    assert found == [tail(1, "early")]


def test_where_nothing_could_be_read_the_problem_is_told() -> None:
    assert log_tails([evidence(1, None, problem="refused")]) == [tail(1, None, "refused")]


def test_no_evidence_gives_no_tails() -> None:
    assert log_tails([]) == []
