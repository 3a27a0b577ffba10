"""What the Tab key offers for a run."""

from __future__ import annotations

import pytest

from runbus.cli.completing import OFFERED_MAX, function_offers, run_offers
from runbus.contracts.states import RunState
from runbus.sdk.function_store import StoredFunction
from runbus.sdk.runs import RunRecord
from support.runs import a_status


def a_record(run_id: str, name: str, state: RunState = RunState.RUNNING) -> RunRecord:
    status = a_status(state, run_id=run_id, name=name)
    return RunRecord(status=status, event_type=state.value, sequence=1)


OVER = a_record("abcdefghij22", "train", RunState.COMPLETED)
LIVE = a_record("abzzzzzzzz22", "train")
OTHER = a_record("zzzzzzzzzz22", "about")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", ["abzzzzzzzz22", "zzzzzzzzzz22", "abcdefghij22"]),
        ("ab", ["abzzzzzzzz22", "about", "abcdefghij22"]),
        ("abc", ["abcdefghij22"]),
        ("tr", ["train"]),
        ("nl", ["nlp/"]),
        ("nlp/abc", ["nlp/abcdefghij22"]),
        ("x", []),
    ],
)
def test_ids_names_and_projects_that_begin_so_are_offered_live_runs_first(
    typed: str, offered: list[str]
) -> None:
    assert [text for text, _ in run_offers(typed, [OVER, LIVE, OTHER])] == offered


def test_an_offer_says_what_the_run_is() -> None:
    assert run_offers("abc", [OVER]) == [("abcdefghij22", "nlp train completed")]


def test_of_many_runs_some_are_offered() -> None:
    records = [a_record(f"aaaaaaaa{number:04}", "x") for number in range(OFFERED_MAX + 5)]
    assert len(run_offers("aaa", records)) == OFFERED_MAX


FUNCTIONS = [
    StoredFunction(name="hello", tag="1.2", revision=1, content=b"", author="ann"),
    StoredFunction(name="hello", tag="latest", revision=4, content=b"", author="ann"),
    StoredFunction(name="train", tag="2", revision=7, content=b""),
]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", ["hello:1.2", "hello", "train:2"]),
        ("h", ["hello:1.2", "hello"]),
        ("hello:", ["hello:1.2", "hello:latest"]),
        ("hub://t", ["hub://train:2"]),
        ("x", []),
    ],
)
def test_functions_that_begin_so_are_offered_with_their_tag_but_for_latest(
    typed: str, offered: list[str]
) -> None:
    assert [text for text, _ in function_offers(typed, FUNCTIONS)] == offered


def test_an_offer_says_which_revision_of_a_function_there_is() -> None:
    assert function_offers("hello:1", FUNCTIONS) == [("hello:1.2", "revision 1 by ann")]
