"""Revisions of the operator's defaults as people look at them. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import msgspec

from runbus.cli.output.times import moment_text
from runbus.sdk.defaults import DefaultsRevision
from runbus.settings.revisions import Judged, judge_revisions

HEADERS = ("REVISION", "STORED", "AUTHOR", "LINES", "STATE")
IN_FORCE, REFUSED, REMOVED = "in force", "refused", "removed"


def judged(revisions: Sequence[DefaultsRevision]) -> Judged:
    """Say which of the kept revisions (oldest first) is in force, as the services do."""
    return judge_revisions((each.revision, each.content) for each in revisions)


def history_data(revisions: Sequence[DefaultsRevision]) -> list[dict[str, Any]]:
    """Return the kept revisions (oldest first) as data, newest first.

    `added` and `removed` count lines against the revision before; None where that is not kept.
    """
    found = judged(revisions)
    refused = {each.revision for each in found.unusable}
    in_force = found.usable.revision if found.usable is not None else 0
    rows: list[dict[str, Any]] = []
    before: DefaultsRevision | None = None
    for each in revisions:
        state = REFUSED if each.revision in refused else ""
        state = IN_FORCE if each.revision == in_force else state
        state = REMOVED if each.content is None else state
        added, removed = _lines(before, each) if before or each.revision == 1 else (None, None)
        rows.append(
            {
                "revision": each.revision,
                "stored_at": msgspec.to_builtins(each.stored_at),
                "author": each.author,
                "added": added,
                "removed": removed,
                "state": state,
            }
        )
        before = each
    return rows[::-1]


def history_rows(revisions: Sequence[DefaultsRevision]) -> list[tuple[str, ...]]:
    """Return the cells of a table, newest first."""
    stored = {each.revision: moment_text(each.stored_at) for each in revisions}
    return [
        (
            str(row["revision"]),
            stored[row["revision"]],
            row["author"] or "-",
            f"+{row['added']} -{row['removed']}" if row["added"] is not None else "-",
            row["state"] or "-",
        )
        for row in history_data(revisions)
    ]


def told(revision: DefaultsRevision) -> str:
    """Return a revision in words: `revision 3, stored 2026-11-25 12:00:00Z by alice@admin`."""
    by = f" by {revision.author}" if revision.author else ""
    what = "removed" if revision.content is None else "stored"
    return f"revision {revision.revision}, {what} {moment_text(revision.stored_at)}{by}"


def text_of(revision: DefaultsRevision | None) -> str:
    """Return the content as text; what is no text is shown as far as it can be."""
    if revision is None or revision.content is None:
        return ""
    return revision.content.decode(errors="replace")


def _lines(before: DefaultsRevision | None, after: DefaultsRevision) -> tuple[int, int]:
    old, new = text_of(before).splitlines(), text_of(after).splitlines()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    kept = sum(block.size for block in matcher.get_matching_blocks())
    return len(new) - kept, len(old) - kept
