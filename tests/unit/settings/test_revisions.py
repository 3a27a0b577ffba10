"""Which revision of the operator's defaults is in force."""

from __future__ import annotations

from runbus.settings.defaults import Defaults, Limits
from runbus.settings.revisions import judge_revisions

FIVE = b"limits: {concurrent_runs: 5}"
SIX = b"limits: {concurrent_runs: 6}"
BROKEN = b"limits: {concurrent_runs: many}"


def of(runs: int) -> Defaults:
    return Defaults(limits=Limits(concurrent_runs=runs))


def test_the_newest_revision_that_can_be_used_is_in_force() -> None:
    found = judge_revisions([(1, FIVE), (2, SIX)]).usable
    assert found is not None
    assert (found.revision, found.defaults) == (2, of(6))


def test_refused_revisions_are_passed_over_and_named_newest_first() -> None:
    judged = judge_revisions([(1, BROKEN), (2, FIVE), (3, BROKEN), (4, BROKEN)])
    assert judged.usable is not None
    assert (judged.usable.revision, judged.usable.defaults) == (2, of(5))
    assert [each.revision for each in judged.unusable] == [4, 3]
    assert [one.path for one in judged.unusable[0].violations] == ["/limits/concurrent_runs"]


def test_a_removal_is_usable_and_says_nothing() -> None:
    found = judge_revisions([(1, FIVE), (2, None)]).usable
    assert found is not None
    assert (found.revision, found.defaults) == (2, None)


def test_without_revisions_nothing_is_in_force() -> None:
    assert judge_revisions([]).usable is None
    assert judge_revisions([(1, BROKEN)]).usable is None


def test_an_empty_text_is_a_defaults_file_that_changes_nothing() -> None:
    found = judge_revisions([(1, FIVE), (2, b"# all gone\n")]).usable
    assert found is not None
    assert found.defaults == Defaults()
