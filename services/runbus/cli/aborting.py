"""What `runbus abort` does."""

from __future__ import annotations

from collections.abc import Sequence

from runbus.cli.connection import connected
from runbus.cli.exits import Exit
from runbus.cli.output import printing
from runbus.cli.output.runs import why_text
from runbus.cli.running import limited
from runbus.contracts.status import RunStatus


async def abort_runs(
    texts: Sequence[str],
    message: str,
    *,
    nats_url: str | None,
    wait: bool,
    timeout_s: float | None,
) -> Exit:
    """Ask for the end of the runs that texts mean, and wait for it if told to."""
    async with connected(nats_url) as client:
        records = [await client.find(text) for text in texts]
        runs = {each.ref: each.status for each in records}
        for ref, found in list(runs.items()):
            answer = await client.abort(
                found.project, found.run_id, message=message, by=client.identity
            )
            if not answer.is_requested:
                _tell(ref, answer.status, "is over already: ")
                del runs[ref]
            elif not wait:
                printing.out_line(f"{ref} {answer.status.name} is being aborted")
        if not wait:
            return Exit.DONE
        async with limited(timeout_s, f"the end of {', '.join(runs)}"):
            for ref, found in runs.items():
                _tell(ref, await client.wait(found.project, found.run_id), "")
        return Exit.DONE


def _tell(ref: str, status: RunStatus, how: str) -> None:
    printing.out_line(f"{ref} {status.name} {how}{status.state.value}: {why_text(status)}")
