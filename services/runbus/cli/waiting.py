"""Waiting for the end of runs, for `wait`, `submit --wait` and `abort --wait`."""

from __future__ import annotations

from collections.abc import Sequence

from runbus.cli.connection import connected
from runbus.cli.exits import Exit, exit_of, worst
from runbus.cli.listing import listed
from runbus.cli.options import Format
from runbus.cli.output import printing
from runbus.cli.output.runs import why_text
from runbus.cli.running import limited
from runbus.contracts.status import RunStatus
from runbus.sdk.client import Client
from runbus.sdk.deliveries import until_final


async def wait_for(
    texts: Sequence[str], *, nats_url: str | None, timeout_s: float | None, output: Format
) -> Exit:
    """Wait for the runs that texts mean; returns the worst fate."""
    async with connected(nats_url) as client:
        records = [await client.find(text) for text in texts]
        refs = [(each.status.project, each.status.run_id) for each in records]
        async with limited(timeout_s, ", ".join(each.ref for each in records)):
            return await wait_and_tell(client, refs, output)


async def wait_and_tell(client: Client, refs: Sequence[tuple[str, str]], output: Format) -> Exit:
    """Wait for runs and print how each ended; returns the worst fate."""
    fates: list[Exit] = []
    for project, run_id in refs:
        async with client.events(project, run_id) as events:
            record = (await until_final(events)).record
        if output in {"table", "wide"}:
            printing.out_line(_ending(record.status))
        else:
            printing.out(listed([record], output, with_headers=False))
        fates.append(exit_of(record.status.state))
    return worst(fates)


def _ending(status: RunStatus) -> str:
    why = why_text(status)
    told = f": {why}" if why not in {"-", status.state.value} else ""
    return f"{status.project}/{status.run_id} {status.name} {status.state.value}{told}"
