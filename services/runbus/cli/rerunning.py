"""What `runbus rerun` does: the document of a run, changed, submitted as a new one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from runbus.cli.accepted import accepted_event
from runbus.cli.changes.assigning import Assignment
from runbus.cli.changes.difference import difference
from runbus.cli.changing import changed, changes_from, check_command
from runbus.cli.connection import connected
from runbus.cli.documents import Document
from runbus.cli.exits import Exit
from runbus.cli.output import printing
from runbus.cli.running import run_async
from runbus.cli.setting_flags import SettingFlags, SubmitFlags
from runbus.cli.submitting import show_documents, submitting_of
from runbus.sdk.client import Client
from runbus.sdk.rerunning import document_of_run, with_rerun_of


def rerun_run(
    text: str, flags: SettingFlags, command: Sequence[str], submission: SubmitFlags
) -> Exit:
    """Submit the document of the run that a text means again, with changes.

    Raises:
        CliError: there is no document of it, or an argument leads nowhere.

    """
    check_command(command)
    changes = changes_from(flags, command)
    submitting = submitting_of(submission)

    async def work() -> Exit:
        async with connected(submission.nats_url) as client:
            document = await _document(client, text, changes)
            if submission.dry_run:
                return show_documents([document], submission.output)
            return await submitting.run(client, [document])

    return run_async(work(), if_interrupted=submitting.if_interrupted)


async def _document(client: Client, text: str, changes: Sequence[Assignment]) -> Document:
    """Return the document to submit, and tell what differs from the run's."""
    record = await client.find(text)
    before = document_of_run(await accepted_event(client, record), record.status.project)
    found = changed(
        Document(place=f"the rerun of {record.ref}", raw=before, content=before), changes
    )
    _tell(record.ref, before, found.content)
    content = with_rerun_of(found.content, record.ref)
    return Document(place=found.place, raw=content, content=content)


def _tell(ref: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    lines = difference(
        printing.yaml_text(before),
        printing.yaml_text(after),
        names=(ref, "the new run"),
        is_coloured=printing.has_colours(sys.stderr),
    )
    for line in lines or [f"note: the same document as {ref}"]:
        printing.say(line)
