"""`runbus deadletters list | show | retry | drop`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from runbus.cli.options import NatsUrl, NoHeaders, Output

ServiceName = Annotated[
    Literal["spec-validator", "scheduler", "pod-launcher", "state-watcher", "aborter"] | None,
    Parameter(name="--service", help="Only what this service set aside."),
]
Number = Annotated[int, Parameter(name="ID", help="As `runbus deadletters list` shows it.")]
Numbers = Annotated[int, Parameter(name="ID", help="One or more, as `list` shows them.")]
Every = Annotated[
    bool, Parameter(name=["-a", "--all"], negative="", help="All (of --service, if given).")
]

app = App(name="deadletters", help="Look at messages that could not be handled; try them again.")


@app.command(name="list", alias="ls")
def list_(
    *,
    service: ServiceName = None,
    output: Output = "table",
    no_headers: NoHeaders = False,
    nats_url: NatsUrl = None,
) -> int:
    """List dead letters, oldest first: what could not be handled, by whom, and why."""
    from runbus.cli import deadlettering
    from runbus.cli.connection import connected
    from runbus.cli.letters import Letter
    from runbus.cli.running import run_async

    async def work() -> list[Letter]:
        async with connected(nats_url) as client:
            return await deadlettering.letters(client, service)

    deadlettering.show_list(run_async(work()), output, with_headers=not no_headers)
    return 0


@app.command
def show(number: Number, /, *, output: Output = "table", nats_url: NatsUrl = None) -> int:
    """Show a dead letter whole: reason, headers, and the message's body."""
    from runbus.cli import deadlettering
    from runbus.cli.connection import connected
    from runbus.cli.letters import Letter
    from runbus.cli.running import run_async

    async def work() -> Letter:
        async with connected(nats_url) as client:
            found = await deadlettering.chosen(client, [number], every=False, service=None)
            return found[0]

    deadlettering.show_whole(run_async(work()), output)
    return 0


@app.command
def retry(
    *number: Numbers,
    all_: Every = False,
    service: ServiceName = None,
    output: Output = "table",
    nats_url: NatsUrl = None,
) -> int:
    """Publish commands that could not be handled again, and remove their letters.

    An event cannot be tried again, because it happens once: its letter stays, and the way out is
    told. Exit code 3 if a letter was kept.
    """
    return _each("retry", number, all_, service, output, nats_url)


@app.command
def drop(
    *number: Numbers,
    all_: Every = False,
    service: ServiceName = None,
    output: Output = "table",
    nats_url: NatsUrl = None,
) -> int:
    """Remove dead letters for good. By themselves they go after 30 days."""
    return _each("drop", number, all_, service, output, nats_url)


def _each(
    what: Literal["retry", "drop"],
    numbers: tuple[int, ...],
    every: bool,
    service: str | None,
    output: Output,
    nats_url: str | None,
) -> int:
    from runbus.cli import deadlettering
    from runbus.cli.connection import connected
    from runbus.cli.running import run_async

    act = deadlettering.retry if what == "retry" else deadlettering.drop

    async def work() -> list[deadlettering.Outcome]:
        async with connected(nats_url) as client:
            found = await deadlettering.chosen(client, numbers, every=every, service=service)
            return [await act(client, each) for each in found]

    return deadlettering.show_outcomes(run_async(work()), output)
