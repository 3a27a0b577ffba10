"""Shares of shards: balanced within one, as few moves as can be, the same for everybody."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runbus.contracts.leases import ALL_SHARDS, ShardLease
from runbus.state_watcher.shards import Ledger, Origin, Plan, plan, shares_of

Holders = dict[str, tuple[str, ...]]


def settled(holders: Holders, order: list[str]) -> tuple[Holders, int]:
    """Let replicas do what they plan, one after the other, until nobody has anything to do."""
    moves, left = 0, dict(holders)
    for _ in range(10):
        before = dict(left)
        for name in order:
            planned = plan(left, name)
            moves += len(planned.claim)
            kept = tuple(each for each in left[name] if each not in planned.release)
            left[name] = kept + planned.claim
        if left == before:
            return left, moves
    raise AssertionError(f"no end: {left}")


@st.composite
def any_holders(draw: st.DrawFn) -> Holders:
    """Draw replicas that hold any shards, none of them twice."""
    names = draw(st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, unique=True))
    holders: Holders = dict.fromkeys(names, ())
    for shard in draw(st.permutations(ALL_SHARDS)):
        owner = draw(st.sampled_from([None, *names]))
        if owner is not None:
            holders[owner] += (shard,)
    return holders


@given(any_holders(), st.randoms(use_true_random=False))
def test_in_whatever_order_replicas_act_all_shards_are_owned_and_shares_differ_by_one(
    holders: Holders, random: object
) -> None:
    order = sorted(holders)
    random.shuffle(order)  # type: ignore[attr-defined]

    end, _ = settled(holders, order)

    sizes = [len(shards) for shards in end.values()]
    assert sorted(shard for shards in end.values() for shard in shards) == list(ALL_SHARDS)
    assert max(sizes) - min(sizes) <= 1


@given(any_holders())
def test_no_more_shards_move_than_are_free_or_too_many(holders: Holders) -> None:
    shares = shares_of(holders)
    free = len(ALL_SHARDS) - sum(map(len, holders.values()))
    surplus = sum(max(0, len(shards) - shares[name]) for name, shards in holders.items())

    _, moves = settled(holders, sorted(holders))

    assert moves == free + surplus


@given(any_holders(), st.data())
def test_what_is_balanced_stays_until_a_replica_comes_or_goes(
    holders: Holders, data: st.DataObject
) -> None:
    end, _ = settled(holders, sorted(holders))
    gone = data.draw(st.sampled_from(sorted(end)))
    others = {name: shards for name, shards in end.items() if name != gone}

    assert {plan(end, name) for name in end} == {Plan()}
    if others:
        after, moves = settled(others, sorted(others))
        assert moves == len(end[gone])
        assert all(set(shards) <= set(after[name]) for name, shards in others.items())


@given(any_holders())
def test_nobody_claims_what_another_holds_or_claims(holders: Holders) -> None:
    claims = [shard for name in holders for shard in plan(holders, name).claim]
    held = [shard for shards in holders.values() for shard in shards]

    assert len(claims) == len(set(claims))
    assert set(claims).isdisjoint(held)


def test_a_single_replica_claims_everything_at_once() -> None:
    assert plan({"a": ()}, "a") == Plan(claim=ALL_SHARDS)


def test_who_holds_too_many_lets_go_of_those_that_came_last() -> None:
    assert plan({"a": ALL_SHARDS, "b": ()}, "a") == Plan(release=ALL_SHARDS[32:])
    assert plan({"a": ALL_SHARDS, "b": ()}, "b") == Plan()


def a_lease(*shards: str) -> ShardLease:
    return ShardLease(process="p", shards=shards)


def test_the_ledger_tells_how_a_shard_came_to_be_free() -> None:
    ledger = Ledger(silent_max_s=3)
    ledger.take("a", 1, a_lease("00", "01"), 0)
    ledger.take("a", 2, a_lease("01"), 0)
    ledger.take_end("a", 3, ran_out=True)

    assert ledger.holders() == {}
    assert [ledger.origin(shard) for shard in ("00", "01", "02")] == [
        Origin.HANDED_OVER,
        Origin.TAKEN_OVER,
        Origin.FREE,
    ]


def test_the_ledger_says_what_is_news() -> None:
    ledger = Ledger(silent_max_s=3)

    assert ledger.take("a", 1, a_lease("00"), 0)
    assert not ledger.take("a", 2, a_lease("00"), 0)
    assert ledger.take("a", 3, a_lease(), 0)
    assert ledger.take_end("a", 4, ran_out=False)
    assert not ledger.take_end("a", 5, ran_out=False)


def test_what_a_replica_wrote_itself_is_not_undone_by_an_older_message_of_it() -> None:
    ledger = Ledger(silent_max_s=3)
    ledger.take_own("a", 7, a_lease("00"), 0)

    assert not ledger.take("a", 5, a_lease(), 0)
    assert not ledger.take_end("a", 6, ran_out=True)
    assert ledger.holders() == {"a": ("00",)}
    assert ledger.sequence == 6


def test_a_replica_silent_for_longer_than_its_lease_is_forgotten_once_its_key_is_gone() -> None:
    ledger = Ledger(silent_max_s=3)
    ledger.take("a", 1, a_lease("00"), 0)
    ledger.take("b", 2, a_lease("01"), 2)

    assert ledger.silent(3) == {}
    assert ledger.silent(3.5) == {"a": 1}
    ledger.forget("a", 1)
    assert ledger.holders() == {"b": ("01",)}
    assert ledger.origin("00") is Origin.TAKEN_OVER


def test_a_replica_that_has_written_since_it_was_asked_about_is_not_forgotten() -> None:
    ledger = Ledger(silent_max_s=3)
    ledger.take("a", 1, a_lease("00"), 0)
    ledger.take("a", 2, a_lease("00"), 4)

    ledger.forget("a", 1)
    assert ledger.holders() == {"a": ("00",)}
