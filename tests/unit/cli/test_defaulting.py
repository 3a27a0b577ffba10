"""Whose defaults may be replaced, how an edit goes, and how revisions are told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from runbus.cli.defaulting import expected
from runbus.cli.editing import Editing, editor_of
from runbus.cli.output.revisions import history_rows, told
from runbus.cli.problems import CliError
from runbus.sdk.defaults import DefaultsRevision

FIVE = b"limits: {concurrent_runs: 5}\n"
AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def a_revision(
    number: int, content: bytes | None = FIVE, author: str = "alice@a"
) -> DefaultsRevision:
    return DefaultsRevision(revision=number, content=content, author=author, stored_at=AT)


@pytest.mark.parametrize(
    ("newest", "base", "after"),
    [
        (None, None, 0),
        (None, 0, 0),
        (a_revision(4, author="me"), None, 4),
        (a_revision(4), 4, 4),
        (a_revision(4, content=None), None, 4),
    ],
    ids=["first", "first as told", "my own", "looked at", "removed"],
)
def test_what_may_be_replaced_is_replaced(
    newest: DefaultsRevision | None, base: int | None, after: int
) -> None:
    assert expected(newest, author="me", base=base) == after


@pytest.mark.parametrize(
    ("newest", "base", "words"),
    [
        (None, 3, "moved on from revision 3: there are none"),
        (a_revision(4, author="me"), 3, "moved on from revision 3"),
        (a_revision(4), None, "somebody else stored the newest defaults: revision 4"),
    ],
    ids=["gone", "stale", "unseen"],
)
def test_what_may_be_somebodys_unseen_work_is_not_replaced(
    newest: DefaultsRevision | None, base: int | None, words: str
) -> None:
    with pytest.raises(CliError, match=words) as raised:
        expected(newest, author="me", base=base)
    assert f"--base {newest.revision if newest else 0}" in raised.value.way_out


def edited(path: Path, texts: list[bytes], answers: list[bool]) -> bytes | None:
    """Edit with an editor that leaves these texts, and a user who answers so."""

    def leave_next(file: Path) -> None:
        file.write_bytes(texts.pop(0))

    editing = Editing(path=path, open_editor=leave_next, ask=lambda: answers.pop(0))
    return editing.changed(b"before", lambda text: ["/a: odd"] if b"odd" in text else [])


def test_a_refused_edit_is_opened_again_until_it_is_right(tmp_path: Path) -> None:
    assert edited(tmp_path / "x", [b"odd", b"odd again", b"right"], [True, True]) == b"right"


def test_an_edit_that_changes_nothing_is_none(tmp_path: Path) -> None:
    assert edited(tmp_path / "x", [b"odd", b"before"], [True]) is None


def test_who_gives_up_finds_the_text_in_its_file(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="nothing is stored") as raised:
        edited(tmp_path / "x", [b"odd"], [False])
    assert str(tmp_path / "x") in raised.value.way_out
    assert (tmp_path / "x").read_bytes() == b"odd"


def test_the_editor_is_visual_then_editor_then_vi() -> None:
    assert editor_of({"VISUAL": "code --wait", "EDITOR": "nano"}) == ["code", "--wait"]
    assert editor_of({"EDITOR": "nano"}) == ["nano"]
    assert editor_of({}) == ["vi"]


def test_a_history_tells_lines_only_where_the_revision_before_is_kept() -> None:
    kept = [a_revision(3), a_revision(4, b"limits: {}\n", ""), a_revision(5, None)]
    assert history_rows(kept) == [
        ("5", "2026-11-25 12:00:00Z", "alice@a", "+0 -1", "removed"),
        ("4", "2026-11-25 12:00:00Z", "-", "+1 -1", "-"),
        ("3", "2026-11-25 12:00:00Z", "alice@a", "-", "-"),
    ]


def test_a_revision_is_told_with_its_moment_and_author() -> None:
    assert told(a_revision(3)) == "revision 3, stored 2026-11-25 12:00:00Z by alice@a"
    assert told(a_revision(3, None, "")) == "revision 3, removed 2026-11-25 12:00:00Z"
