"""Runs that wait for a node which an autoscaler adds: it comes within the extension, or not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from simulation.cluster.fates import Fate
from simulation.loop import START_S
from simulation.scenario import HANGS_FOR_EVER, NEW_NODE_S, Submit, draw
from simulation.world import Outcome, play

DOCUMENT = {
    "project": "nlp",
    "name": "run0",
    "kind": "job",
    "image": "x:1",
    "state_thresholds": {"pending_not_scheduled": "5s"},
    "ttl_after_finish": "1s",
}


def played(fate: Fate) -> Outcome:
    submit = Submit(at_s=0.5, project="nlp", document=DOCUMENT)
    scenario = replace(
        draw(0, with_faults=False),
        submits=(submit,),
        fates={"run0": (fate,)},
        aborts=(),
        poison_at_s=(),
        limits="",
    )
    return play(scenario)


def told(outcome: Outcome) -> str:
    assert not outcome.has_failed, outcome.breaches
    return "\n".join(map(str, outcome.story.entries))


@pytest.mark.parametrize(
    ("bind_after_s", "ends", "takes_s"),
    [(NEW_NODE_S, "completed", 30), (HANGS_FOR_EVER, "aborted", 605)],
)
def test_a_node_is_waited_for_ten_minutes_longer_and_no_more(
    bind_after_s: float | None, ends: str, takes_s: float
) -> None:
    outcome = played(Fate(bind_after_s=bind_after_s, scales_up=True))

    story = told(outcome)
    assert "deadline_changed" in story
    assert ends in story
    assert takes_s < outcome.lasted_s - START_S < takes_s + 20


def test_without_an_autoscalers_word_nothing_is_waited_for() -> None:
    outcome = played(Fate(bind_after_s=NEW_NODE_S))

    assert "deadline_changed" not in told(outcome)
    assert outcome.lasted_s - START_S < NEW_NODE_S
