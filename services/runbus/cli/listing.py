"""What `runbus list` does: read the bucket of runs once, or follow it."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from runbus.cli.connection import connected
from runbus.cli.options import Format
from runbus.cli.output import printing
from runbus.cli.output.runs import in_order, run_data, runs_table
from runbus.cli.problems import CliError
from runbus.contracts.states import RunState
from runbus.sdk.runs import RunRecord


class Listing(Struct, frozen=True, kw_only=True):
    """Which runs are wanted, and how they are shown."""

    nats_url: str | None
    project: str | None
    states: frozenset[RunState]
    output: Format
    with_headers: bool = True

    async def once(self) -> None:
        """Show the runs as they stand."""
        async with connected(self.nats_url) as client:
            records = await client.list_runs(self.project, states=self.states)
        self._show(in_order(records))
        if not records and self.output in {"table", "wide"}:
            printing.say("no runs" if not self.states else "no runs in that state")

    async def follow(self) -> None:
        """Show the runs, and every change, until Ctrl-C."""
        async with connected(self.nats_url) as client, client.changes(self.project) as changes:
            if self.output in {"table", "wide"} and printing.is_terminal(sys.stdout):
                from runbus.cli.live.board import show_board

                await show_board(changes, wanted=self._is_wanted)
                return
            is_first = True
            async for records in changes:
                wanted = [each for each in records if self._is_wanted(each)]
                if self.output in {"json", "jsonl"}:
                    printing.out("".join(printing.json_line(run_data(each)) for each in wanted))
                elif is_first:
                    self._show(in_order(wanted))
                else:
                    self._show(wanted, with_headers=False)
                is_first = False

    def _is_wanted(self, record: RunRecord) -> bool:
        return not self.states or record.status.state in self.states

    def _show(self, records: Sequence[RunRecord], *, with_headers: bool | None = None) -> None:
        shown_headers = self.with_headers if with_headers is None else with_headers
        printing.out(listed(records, self.output, with_headers=shown_headers))


def states_of(texts: Iterable[str]) -> frozenset[RunState]:
    """Return the states that people wrote; dashes and commas are fine, too.

    Raises:
        CliError: there is no such state; the nearest is shown.

    """
    known = {state.value: state for state in RunState if state is not RunState.UNKNOWN}
    found: set[RunState] = set()
    for text in (part for each in texts for part in each.split(",")):
        name = text.strip().lower().replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise CliError(
                f"there is no state {text!r}", way_out=f"{hint}states: {', '.join(known)}"
            )
        found.add(known[name])
    return frozenset(found)


def listed(records: Sequence[RunRecord], output: Format, *, with_headers: bool) -> str:
    """Return runs in the format asked for."""
    match output:
        case "json":
            return printing.json_text([run_data(each) for each in records])
        case "jsonl":
            return _lines(printing.json_line(run_data(each)) for each in records)
        case "yaml":
            return printing.yaml_text([run_data(each) for each in records])
        case "name":
            return _lines(f"{each.ref}\n" for each in records)
        case "table" | "wide":
            if not records:
                return ""
            return runs_table(
                records,
                datetime.now(UTC),
                is_wide=output == "wide",
                with_headers=with_headers,
                width=printing.width_of(sys.stdout),
                is_coloured=printing.has_colours(sys.stdout),
            )


def _lines(lines: Iterable[str]) -> str:
    return "".join(lines)
