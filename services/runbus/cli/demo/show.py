"""The demo's course: start a stack, submit all at once, watch them to their ends, sum up."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from runbus.cli.demo.fates import FATES, is_met, summary
from runbus.cli.demo.files import DemoFiles
from runbus.cli.demo.preparing import prepare
from runbus.cli.documents import parse_document
from runbus.cli.exits import Exit
from runbus.cli.output import printing
from runbus.cli.output.events import event_line
from runbus.cli.output.violations import refusal, violation_lines
from runbus.cli.stack.stack import Stack
from runbus.contracts.replies import SubmitReply
from runbus.contracts.status import RunStatus
from runbus.sdk import client as sdk
from runbus.sdk.client import Client

# Everything together has to be over within two minutes.
RUNS_TIMEOUT_S = 75.0
# One node whose size does not depend on the machine, and a kubelet's backoff in short.
CLUSTER_OPTIONS = ("--cpu=8", "--memory=16Gi", "--pull-backoff-initial-s=2")
LOG_LINES_SHOWN = 5
EVIDENCE_WAIT_S = 5.0
EVIDENCE_POLL_S = 0.2

Refs = Mapping[str, tuple[str, str]]


async def run_demo(files: DemoFiles) -> Exit:
    """Run the demo; says whether every run met its fate."""
    folder = Path(tempfile.mkdtemp(prefix="runbus-demo-"))
    printing.say("starting a bus, a local cluster and the five services ...")
    stack = Stack(folder, localcluster_options=CLUSTER_OPTIONS, is_temporary=True)
    async with stack, sdk.connect(stack.nats_url, name="runbus-demo") as client:
        await prepare(stack.kubeconfig, files)
        replies = await _submit(client, files)
        refs = {name: (reply.project, reply.run_id) for name, reply in replies.items()}
        try:
            async with asyncio.timeout(RUNS_TIMEOUT_S):
                await _watch(client, refs)
        except TimeoutError:
            printing.say(f"not everything was over after {RUNS_TIMEOUT_S:g} s")
        statuses = {name: (await client.get(*ref)).status for name, ref in refs.items()}
        await _sum_up(client, replies, statuses)
    met = all(is_met(fate, statuses.get(fate.document)) for fate in FATES)
    printing.out_line("every run met its fate" if met else "not every run met its fate")
    return Exit.DONE if met else Exit.RUN_ERROR


async def _submit(client: Client, files: DemoFiles) -> dict[str, SubmitReply]:
    printing.say(f"submitting {len(files.documents)} documents of examples/demo/ at once\n")
    async with asyncio.TaskGroup() as tasks:
        asked = {
            name: tasks.create_task(client.submit(parse_document(text)))
            for name, text in files.documents.items()
        }
    return {name: task.result() for name, task in asked.items()}


async def _watch(client: Client, refs: Refs) -> None:
    """Show the runs until all are over."""
    if printing.is_terminal(sys.stdout):
        from runbus.cli.live.board import show_board, until_all_over

        async with client.changes() as changes:
            await show_board(until_all_over(changes, refs.values()))
        return
    is_coloured = printing.has_colours(sys.stdout)
    async with client.watch_runs(list(refs.values())) as events:
        async for event in events:
            printing.out_line(event_line(event, is_coloured=is_coloured))


async def _sum_up(
    client: Client, replies: Mapping[str, SubmitReply], statuses: Mapping[str, RunStatus]
) -> None:
    printing.out_line("")
    for fate in FATES:
        reply = replies[fate.document]
        if not reply.accepted:
            printing.out_line(refusal(f"examples/demo/{fate.document}", reply.violations))
            printing.out_line("\n".join(violation_lines(reply.violations)) + "\n")
    for fate in FATES:
        if fate.has_run:
            await _show_log(client, fate.document, statuses)
    printing.out_line(summary(statuses))


async def _show_log(client: Client, document: str, statuses: Mapping[str, RunStatus]) -> None:
    """Show the end of a run's log, as the evidence has kept it."""
    status = statuses[document]
    give_up_at = asyncio.get_running_loop().time() + EVIDENCE_WAIT_S
    while True:
        tails = [tail for tail in await client.logs(status.project, status.run_id) if tail.lines]
        if tails or asyncio.get_running_loop().time() > give_up_at:
            break
        await asyncio.sleep(EVIDENCE_POLL_S)
    for tail in tails:
        printing.out_line(f"last lines of {status.name} ({status.state.value}):")
        printing.out_line("".join(f"  {line}\n" for line in tail.lines[-LOG_LINES_SHOWN:]))
