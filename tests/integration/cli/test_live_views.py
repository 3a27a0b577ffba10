"""Several runs watched at once: as lines in a pipe, and as a view that moves on a terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from asyncio import to_thread

from runbus.contracts.deadlines import with_deadline
from runbus.contracts.identity import run_id_from_key
from runbus.contracts.states import EventType, RunState
from runbus.contracts.transitions import Publisher
from runbus.runtime.runlog import RunRecord
from support.buses import TestBus
from support.commands import Command
from support.runs import a_status, limits, replace

WATCHER = Publisher.STATE_WATCHER
SILENCE_S = 20.0  # a view is drawn four times a second


async def running(bus: TestBus, name: str, **seconds: float) -> RunRecord:
    """Store the events of a run up to running."""
    status = a_status(run_id=run_id_from_key("nlp", name), name=name, thresholds=limits(**seconds))
    admitted = await bus.admit(await bus.accept(status))
    now = with_deadline(replace(admitted.status, state=RunState.RUNNING))
    return await bus.store(
        EventType.RUNNING,
        WATCHER,
        admitted,
        state=now.state,
        deadline=now.deadline,
        deadline_of=now.deadline_of,
    )


async def end(bus: TestBus, record: RunRecord, event: EventType, state: RunState) -> None:
    """Store the end of a run."""
    await bus.store(event, WATCHER, record, state=state, reason="Error")


async def test_several_runs_are_followed_until_all_are_over_and_the_worst_fate_counts(
    bus: TestBus, command: Command
) -> None:
    first, second = await running(bus, "one"), await running(bus, "two")
    async with command.started("watch", "one", "two", "-o", "name") as process:
        assert process.stdout is not None
        shown = [(await process.stdout.readline()).split()[1] for _ in range(6)]
        assert shown.count(b"running") == 2
        await end(bus, first, EventType.ATTEMPT_FAILED, RunState.ERROR)
        await end(bus, second, EventType.COMPLETED, RunState.COMPLETED)
        rest = await process.stdout.read()
        assert rest.split()[1::2] == [b"attempt_failed", b"completed"]
        assert await process.wait() == 1


def on_a_terminal(url: str, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a command on a terminal of its own; returns its process and our end."""
    ours, theirs = pty.openpty()
    inherited = {key: text for key, text in os.environ.items() if not key.startswith("RUNBUS_")}
    environment = {
        **inherited,
        "RUNBUS_NATS_URL": url,
        "TERM": "xterm-256color",
        "COLUMNS": "120",
        "LINES": "30",
    }
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "runbus.cli", *arguments],
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    return process, ours


def read_until(terminal: int, wanted: bytes) -> bytes:
    """Return what a terminal shows up to a text, to its end, or until it is silent."""
    shown = b""
    while wanted not in shown and select.select([terminal], [], [], SILENCE_S)[0]:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not chunk:
            break
        shown += chunk
    return shown


async def test_on_a_terminal_each_run_has_a_bar_of_its_limit_until_it_is_over(bus: TestBus) -> None:
    limited = await running(bus, "limited", running=10 * 365 * 86400.0)
    free = await running(bus, "free")
    process, terminal = on_a_terminal(bus.nats.url, "watch", "limited", "free")
    try:
        assert b"no limit" in await to_thread(read_until, terminal, b"no limit")
        bar = "╌".encode()
        assert bar in await to_thread(read_until, terminal, bar)
        await end(bus, limited, EventType.COMPLETED, RunState.COMPLETED)
        await end(bus, free, EventType.COMPLETED, RunState.COMPLETED)
        assert b"completed" in await to_thread(read_until, terminal, b"never shown")
        assert await to_thread(process.wait, SILENCE_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
