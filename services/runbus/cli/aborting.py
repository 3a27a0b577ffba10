"""What `runbus abort` does."""

from __future__ import annotations

from runbus.cli.connection import connected
from runbus.cli.exits import Exit
from runbus.cli.output import printing
from runbus.cli.output.runs import why_text
from runbus.cli.running import limited
from runbus.contracts.status import RunStatus


async def abort_run(
    text: str, message: str, *, nats_url: str | None, wait: bool, timeout_s: float | None
) -> Exit:
    """Ask for the end of the run that a text means, and wait for it if told to."""
    async with connected(nats_url) as client:
        found = (await client.find(text)).status
        ref = f"{found.project}/{found.run_id}"
        answer = await client.abort(
            found.project, found.run_id, message=message, by=client.identity
        )
        if not answer.is_requested:
            _tell(ref, answer.status, "is over already: ")
            return Exit.DONE
        if not wait:
            printing.out_line(f"{ref} {answer.status.name} is being aborted")
            return Exit.DONE
        async with limited(timeout_s, f"the end of {ref}"):
            status = await client.wait(found.project, found.run_id)
        _tell(ref, status, "")
        return Exit.DONE


def _tell(ref: str, status: RunStatus, how: str) -> None:
    printing.out_line(f"{ref} {status.name} {how}{status.state.value}: {why_text(status)}")
