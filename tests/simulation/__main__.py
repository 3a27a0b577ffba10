"""Play seeds from the command line: `make simulate SEED=1234`, or many at once.

python -m simulation --seed 1234 [-v]
python -m simulation --first 0 --count 2000
"""

from __future__ import annotations

import argparse
import sys
import time

from simulation.scenario import draw
from simulation.world import play, told_story


def main() -> int:
    """Play what is asked for; exit code 1 where a seed failed."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="play one seed, and tell its story")
    parser.add_argument("--first", type=int, default=0, help="the first of many")
    parser.add_argument("--count", type=int, default=100, help="how many")
    parser.add_argument("-v", "--verbose", action="store_true", help="everything that happened")
    given = parser.parse_args()
    if given.seed is not None:
        return _tell(given.seed, verbose=given.verbose)
    return _play_many(range(given.first, given.first + given.count))


def _tell(seed: int, *, verbose: bool) -> int:
    outcome = play(draw(seed), verbose=verbose)
    _say(told_story(outcome) if outcome.has_failed else _good_story(seed, verbose=verbose))
    _say(f"digest {outcome.digest[:16]}, {outcome.events} events, {outcome.lasted_s:.0f} s")
    return 1 if outcome.has_failed else 0


def _good_story(seed: int, *, verbose: bool) -> str:
    outcome = play(draw(seed), verbose=verbose)
    runs = frozenset(entry.run for entry in outcome.story.entries)
    return "\n".join([*outcome.story.lines(runs), f"seed {seed}: all invariants hold"])


def _play_many(seeds: range) -> int:
    failed = 0
    began_s = time.perf_counter()
    for seed in seeds:
        outcome = play(draw(seed))
        if outcome.has_failed:
            failed += 1
            _say(told_story(outcome) + "\n")
    took_s = time.perf_counter() - began_s
    _say(f"{len(seeds)} seeds, {failed} failed, {took_s / len(seeds) * 1000:.0f} ms a seed")
    return 1 if failed else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
