"""What `runbus explain` does: each setting in force, its level, and what it overrode."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from runbus.cli.accepted import accepted_event
from runbus.cli.changes.paths import PathError, read_path
from runbus.cli.connection import connected
from runbus.cli.documents import read_documents
from runbus.cli.exits import Exit
from runbus.cli.functions import function_in
from runbus.cli.options import Format
from runbus.cli.output import printing
from runbus.cli.output.explained import explained_data, explained_table, is_below
from runbus.cli.output.times import span
from runbus.cli.output.violations import refusal, violation_lines
from runbus.cli.problems import CliError
from runbus.contracts.deadlines import whole_limit_s
from runbus.contracts.replies import Explained
from runbus.contracts.status import RunStatus
from runbus.settings.defaults import Defaults
from runbus.settings.model import Refused
from runbus.settings.origins import explain, stored_origins
from runbus.settings.resolve import resolve


class Explaining(Struct, frozen=True, kw_only=True):
    """Which settings are shown, and how. `path` empty: all."""

    path: str = ""
    output: Format = "table"
    with_headers: bool = True

    async def run(self, text: str, nats_url: str | None) -> Exit:
        """Explain the document of the run that a text means."""
        wanted = self._wanted()
        async with connected(nats_url) as client:
            record = await client.find(text)
            event = await accepted_event(client, record)
        settings = explain(event.document, event.origins, event.overrode)
        self._show([(record.ref, settings)], wanted)
        if event.origins is None:
            printing.say("note: an older release accepted this run, and kept no levels")
        for line in _changed_since(record.status):
            printing.say(line)
        return Exit.DONE

    def files(
        self, files: Sequence[str], defaults: Defaults, functions: Path | None = None
    ) -> Exit:
        """Explain what the documents of files would come to, under an operator's defaults."""
        wanted = self._wanted()
        fate = Exit.DONE
        explained: list[tuple[str, list[Explained]]] = []
        for document in read_documents(files):
            violations = document.violations
            if not violations:
                found = resolve(
                    document.raw,
                    project=None,
                    defaults=defaults,
                    default_user="",
                    function=function_in(functions, document.raw),
                )
                if not isinstance(found, Refused):
                    settings = explain(found.document, stored_origins(found), found.overrode)
                    explained.append((document.place, settings))
                    continue
                violations = found.violations
            fate = Exit.REFUSED
            printing.say(f"error: {refusal(document.place, violations)}")
            for line in violation_lines(violations):
                printing.say(line)
        self._show(explained, wanted)
        return fate

    def _wanted(self) -> list[str]:
        if not self.path:
            return []
        try:
            return [step.text for step in read_path(self.path)]
        except PathError as error:
            text = f"{self.path!r} is no path of a setting: {error}"
            raise CliError(text, way_out="such as state_thresholds.running or env[HOME]") from error

    def _show(
        self, documents: Sequence[tuple[str, Sequence[Explained]]], wanted: Sequence[str]
    ) -> None:
        shown = [
            (place, [each for each in settings if is_below(each.path, wanted)])
            for place, settings in documents
        ]
        for _, settings in shown:
            if not settings:
                printing.say(f"note: {self.path} is not set, at no level")
        several = len(shown) > 1
        rows = [
            {"document": place, **row} if several else row
            for place, settings in shown
            for row in explained_data(settings)
        ]
        match self.output:
            case "json":
                printing.out(printing.json_text(rows))
            case "jsonl":
                printing.out("".join(printing.json_line(row) for row in rows))
            case "yaml":
                printing.out(printing.yaml_text(rows))
            case "name":
                printing.out("".join(f"{row['setting']}\n" for row in rows))
            case "table" | "wide":
                for place, settings in shown:
                    if several:
                        printing.say(f"{place}:")
                    self._show_table(settings)

    def _show_table(self, settings: Sequence[Explained]) -> None:
        if settings:
            text = explained_table(
                settings,
                is_wide=self.output == "wide",
                with_headers=self.with_headers,
                width=printing.width_of(sys.stdout),
            )
            printing.out(text)


def _changed_since(status: RunStatus) -> list[str]:
    """Return what commands have changed about the limits since the run was accepted."""
    lines = []
    for name, limit in status.thresholds.items():
        extended_s = whole_limit_s(limit, status.attempt) - (limit.limit_s or 0.0)
        if extended_s:
            how = "extended" if extended_s > 0 else "shortened"
            lines.append(f"note: {name} was {how} by {span(abs(extended_s))} since")
        if limit.paused_at is not None:
            lines.append(f"note: the clock of {name} is paused")
    return lines
