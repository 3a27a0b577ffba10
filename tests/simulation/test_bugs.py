"""Each planted bug is found, by a seed that finds nothing where the services are right."""

from __future__ import annotations

import pytest

from simulation.bugs import BUGS
from simulation.scenario import draw
from simulation.world import play

SEEDS_MAX = 400


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    found = next(
        (seed for seed in range(SEEDS_MAX) if play(draw(seed), BUGS[name]).has_failed), None
    )

    assert found is not None, f"no seed up to {SEEDS_MAX} finds that {name}"
    assert not play(draw(found)).has_failed
