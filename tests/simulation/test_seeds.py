"""Thousands of seeds with faults: all invariants hold at the end of each.

`RUNBUS_SEEDS` asks for more of them; `RUNBUS_FIRST_SEED` for others. A seed that fails tells its
story and how to replay it.
"""

from __future__ import annotations

import os

import pytest

from simulation.scenario import draw
from simulation.world import play, told_story

SEEDS = int(os.environ.get("RUNBUS_SEEDS", "2000"))
FIRST_SEED = int(os.environ.get("RUNBUS_FIRST_SEED", "0"))
CHUNK = 25
STORIES_MAX = 3


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + SEEDS, CHUNK))
def test_all_invariants_hold_at_the_end_of_every_seed(first: int) -> None:
    stories: list[str] = []
    for seed in range(first, min(first + CHUNK, FIRST_SEED + SEEDS)):
        outcome = play(draw(seed))
        if outcome.has_failed:
            stories.append(told_story(outcome))
        if len(stories) == STORIES_MAX:
            break
    assert not stories, "\n\n".join(stories)


def test_most_seeds_have_faults() -> None:
    healthy = [seed for seed in range(1000) if draw(seed).is_healthy]

    assert 50 < len(healthy) < 200
