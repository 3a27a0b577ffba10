"""Scopes: lists are counted, and what is not watched is never waited for."""

from __future__ import annotations

from functools import partial

from runbus.state_watcher.scopes import Scopes
from support.pods import a_bound_pod
from support.runs import a_status, at
from support.watching import Watched, ours, version

SHARD, OTHER = "00", "01"


def test_a_namespace_waits_for_its_first_list() -> None:
    scopes = Scopes(("nlp", "vision"))
    number = scopes.begin_list("nlp")

    assert not scopes.is_synced("nlp", SHARD)
    scopes.complete_list("nlp", number, (SHARD,))
    assert scopes.is_synced("nlp", SHARD)
    assert not scopes.is_synced("vision", SHARD)


def test_a_shard_waits_for_its_own_first_list() -> None:
    scopes = Scopes(("nlp",))
    scopes.complete_list("nlp", scopes.begin_list("nlp"), (SHARD,))

    assert not scopes.is_synced("nlp", OTHER)
    scopes.complete_list("nlp", scopes.begin_list("nlp"), (OTHER,))
    assert scopes.is_synced("nlp", OTHER)


def test_a_shard_that_was_let_go_of_waits_for_a_list_again() -> None:
    scopes = Scopes(("nlp",))
    scopes.complete_list("nlp", scopes.begin_list("nlp"), (SHARD, OTHER))
    scopes.forget((SHARD,))

    assert not scopes.is_synced("nlp", SHARD)
    assert scopes.is_synced("nlp", OTHER)


def test_every_namespace_belongs_to_a_watch_over_all() -> None:
    scopes = Scopes(("",))

    assert scopes.is_watched("nlp")
    assert not scopes.is_synced("nlp", SHARD)


def test_what_is_not_watched_is_not_waited_for() -> None:
    scopes = Scopes(("nlp",))

    assert not scopes.is_watched("vision")
    assert scopes.is_synced("vision", SHARD)
    assert scopes.is_reachable("vision", SHARD)


def test_the_api_server_is_back_once() -> None:
    scopes = Scopes(("",))

    assert not scopes.set_reachable("", True, at(1), (SHARD,))
    scopes.set_reachable("", False, at(1), (SHARD,))
    assert not scopes.is_reachable("nlp", SHARD)
    assert scopes.set_reachable("", True, at(1), (SHARD,)) == {SHARD}
    assert not scopes.set_reachable("", True, at(1), (SHARD,))


def test_what_the_watch_of_some_shards_meets_says_nothing_of_others() -> None:
    scopes = Scopes(("",))
    scopes.set_reachable("", False, at(1), (OTHER,))

    assert scopes.is_reachable("nlp", SHARD)
    assert not scopes.set_reachable("", True, at(2), (SHARD,))
    assert not scopes.is_reachable("nlp", OTHER)


def test_a_shard_that_was_let_go_of_while_nobody_answered_is_reachable_when_it_is_back() -> None:
    scopes = Scopes(("",))
    scopes.set_reachable("", False, at(1), (SHARD, OTHER))
    scopes.forget((OTHER,))

    assert scopes.is_reachable("nlp", OTHER)
    assert not scopes.is_reachable("nlp", SHARD)


def test_a_reconnect_has_its_time_and_no_other_answer_has() -> None:
    scopes = Scopes(("",))
    scopes.set_reachable("", True, at(1), (SHARD,))
    before = scopes.reconnected_at("nlp", SHARD)
    scopes.set_reachable("", False, at(2), (SHARD,))
    scopes.set_reachable("", True, at(3), (SHARD,))
    scopes.set_reachable("", True, at(4), (SHARD,))

    assert (before, scopes.reconnected_at("nlp", SHARD)) == (None, at(3))


def a_watched_pod(scopes: Scopes) -> Watched:
    run = Watched(a_status())
    pod = version(ours(a_bound_pod()).running(), 20).pod()
    run.tracked.take_pod(pod, at(1), True, scopes.listing("nlp"))
    return run


def is_missing(run: Watched, scopes: Scopes) -> bool:
    run.tracked.take_lists(partial(scopes.complete, shard=SHARD))
    (pod,) = run.tracked.pods.values()
    return pod.missing


def test_a_pod_that_a_list_did_not_show_is_missing_once_the_list_is_in() -> None:
    scopes = Scopes(("",))
    scopes.complete_list("", scopes.begin_list(""), (SHARD,))
    run = a_watched_pod(scopes)
    number = scopes.begin_list("")

    assert not is_missing(run, scopes)
    scopes.complete_list("", number, (SHARD,))
    assert is_missing(run, scopes)


def test_a_pod_that_a_list_showed_is_not_missing() -> None:
    scopes = Scopes(("",))
    number = scopes.begin_list("")
    run = a_watched_pod(scopes)
    scopes.complete_list("", number, (SHARD,))

    assert not is_missing(run, scopes)


def test_a_list_that_is_older_than_the_watch_has_shown_its_pods_all_the_same() -> None:
    scopes = Scopes(("",))
    run = a_watched_pod(scopes)
    number = scopes.begin_list("")
    older = version(ours(a_bound_pod()), 10).pod()
    assert not run.tracked.take_pod(older, at(2), False, scopes.listing("nlp"))
    scopes.complete_list("", number, (SHARD,))

    assert not is_missing(run, scopes)


def test_a_list_of_other_shards_says_nothing_of_a_pod() -> None:
    scopes = Scopes(("",))
    scopes.complete_list("", scopes.begin_list(""), (SHARD,))
    run = a_watched_pod(scopes)
    scopes.complete_list("", scopes.begin_list(""), (OTHER,))

    assert not is_missing(run, scopes)


def test_a_pod_that_came_after_a_list_is_not_missing() -> None:
    scopes = Scopes(("",))
    scopes.complete_list("", scopes.begin_list(""), (SHARD,))

    assert not is_missing(a_watched_pod(scopes), scopes)


def test_a_pod_found_by_name_while_a_list_is_under_way_has_to_be_shown_by_it() -> None:
    """The list may be of a later moment, at which the pod is gone, and the watch goes on there."""
    scopes = Scopes(("",))
    scopes.complete_list("", scopes.begin_list(""), (SHARD,))
    run = Watched(a_status())
    number = scopes.begin_list("")
    pod = version(ours(a_bound_pod()).running(), 20).pod()
    run.tracked.take_answer(pod, at(1), scopes.complete("nlp", SHARD))
    scopes.complete_list("", number, (SHARD,))

    assert is_missing(run, scopes)


def test_a_pod_that_a_list_has_shown_stays_shown_when_it_is_found_by_name() -> None:
    scopes = Scopes(("",))
    number = scopes.begin_list("")
    run = a_watched_pod(scopes)
    pod = version(ours(a_bound_pod()).running(), 21).pod()
    run.tracked.take_answer(pod, at(2), scopes.complete("nlp", SHARD))
    scopes.complete_list("", number, (SHARD,))

    assert not is_missing(run, scopes)
