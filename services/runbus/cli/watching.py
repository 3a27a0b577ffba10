"""Following runs, for `watch` and for `submit --watch`: a live view, lines, or CloudEvents."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence

from msgspec import Struct

from runbus.cli.connection import connected
from runbus.cli.exits import Exit, exit_of, worst
from runbus.cli.options import Format
from runbus.cli.output import printing
from runbus.cli.output.events import event_line
from runbus.cli.running import limited
from runbus.sdk.client import Client
from runbus.sdk.runs import EventRecord, RunRecord, cloud_event


class Watching(Struct, frozen=True, kw_only=True):
    """How events are shown, and for how long."""

    nats_url: str | None
    output: Format
    timeout_s: float | None = None

    @property
    def is_live(self) -> bool:
        """Whether the view moves."""
        return self.output in {"table", "wide"} and printing.is_terminal(sys.stdout)

    async def one(self, text: str) -> Exit:
        """Follow the run that a text means; returns its fate."""
        async with connected(self.nats_url) as client:
            record = await client.find(text)
            async with limited(self.timeout_s, record.ref):
                return await self.run(client, record.status.project, record.status.run_id)

    async def some(self, texts: Sequence[str]) -> Exit:
        """Follow the runs that texts mean until all are over; returns the worst fate."""
        async with connected(self.nats_url) as client:
            records = [await client.find(text) for text in texts]
            refs = list(dict.fromkeys((r.status.project, r.status.run_id) for r in records))
            async with limited(self.timeout_s, ", ".join(each.ref for each in records)):
                return worst(await self.several(client, refs))

    async def run(self, client: Client, project: str, run_id: str) -> Exit:
        """Follow one run to its end; returns its fate."""
        async with client.events(project, run_id) as events:
            if self.is_live:
                from runbus.cli.live.timeline import show_timeline

                return exit_of(await show_timeline(events))
            async for event in events:
                self.show(event, with_run=False)
                if event.status.state.is_final:
                    return exit_of(event.status.state)
        return Exit.RUN_ERROR

    async def several(self, client: Client, refs: Sequence[tuple[str, str]]) -> list[Exit]:
        """Follow some runs until all are over; returns their fates in the same order."""
        fates: dict[tuple[str, str], Exit] = {}
        if self.is_live:
            from runbus.cli.live.board import show_board, until_all_over

            async with client.changes() as changes:
                await show_board(noting_fates(until_all_over(changes, refs), fates))
            return [fates[ref] for ref in refs]
        async with client.watch_runs(refs) as events:
            async for event in events:
                self.show(event)
                if event.status.state.is_final:
                    fates[event.project, event.run_id] = exit_of(event.status.state)
        return [fates[ref] for ref in refs]

    async def everything(self, project: str | None) -> None:
        """Follow every run, from now on, until Ctrl-C."""
        async with connected(self.nats_url) as client, limited(self.timeout_s, "any run"):
            if self.is_live:
                from runbus.cli.live.board import show_board

                async with client.changes(project) as changes:
                    await show_board(changes)
            async with client.watch(project) as events:
                async for event in events:
                    self.show(event)

    def show(self, event: EventRecord, *, with_run: bool = True) -> None:
        """Print one event."""
        match self.output:
            case "json" | "jsonl":
                printing.out(printing.json_line(cloud_event(event)))
            case "yaml":
                printing.out("---\n" + printing.yaml_text(cloud_event(event)))
            case "name":
                printing.out_line(f"{event.ref} {event.event_type}")
            case "table" | "wide":
                is_coloured = printing.has_colours(sys.stdout)
                printing.out_line(event_line(event, with_run=with_run, is_coloured=is_coloured))


async def noting_fates(
    changes: AsyncIterator[list[RunRecord]], fates: dict[tuple[str, str], Exit]
) -> AsyncIterator[list[RunRecord]]:
    """Yield the changes, and note the fate of each run that is over."""
    async for records in changes:
        for status in (each.status for each in records):
            if status.state.is_final:
                fates[status.project, status.run_id] = exit_of(status.state)
        yield records
