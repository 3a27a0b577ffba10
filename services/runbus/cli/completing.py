"""What Tab offers besides commands and options: runs and functions of the bus, and states.

Called by the shells' scripts through cyclopts. A bus that does not answer at once, or at all,
offers nothing; nothing is ever said, because a shell waits for the cursor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts.completion import CompletionContext

    from runbus.sdk.defaults import DefaultsRevision
    from runbus.sdk.function_store import StoredFunction
    from runbus.sdk.runs import RunRecord

BUS_TIMEOUT_S = 0.3
OFFERED_MAX = 100

Offers = list[tuple[str, str]]


def runs(context: CompletionContext) -> Offers:
    """Return the runs that begin with what has been typed, each with what it is."""
    import asyncio
    import contextlib

    from runbus.cli.problems import CliError
    from runbus.sdk.errors import BusError

    found: list[RunRecord] = []
    with contextlib.suppress(TimeoutError, CliError, BusError, OSError):
        asyncio.run(_read(found, _nats_url(context)))
    # What has come so far is offered.
    return run_offers(context.incomplete, found)


def run_offers(typed: str, records: Iterable[RunRecord]) -> Offers:
    """Return what completes a run's name: its id, its document's name, or project and id.

    Those that are not over come first. Pure.
    """
    from runbus.cli.output.runs import in_order

    offers: dict[str, str] = {}
    for record in in_order(list(_newest(records))):
        status = record.status
        told = f"{status.project} {status.name} {status.state.value}"
        texts = [record.ref] if "/" in typed else [status.run_id]
        if typed and "/" not in typed:
            texts += [status.name, f"{status.project}/"]
        for text in texts:
            if text.startswith(typed) and text not in offers and len(offers) < OFFERED_MAX:
                offers[text] = told if text != f"{status.project}/" else "a project"
    return list(offers.items())


def revisions(context: CompletionContext) -> Offers:
    """Return the revisions of the operator's defaults that are kept, newest first."""
    import asyncio
    import contextlib

    from runbus.cli.output.revisions import told
    from runbus.cli.problems import CliError
    from runbus.sdk.errors import BusError

    with contextlib.suppress(TimeoutError, CliError, BusError, OSError):
        found = asyncio.run(_read_revisions(_nats_url(context)))
        offers = [(str(each.revision), told(each)) for each in reversed(found)]
        return [each for each in offers if each[0].startswith(context.incomplete)]
    return []


def functions(context: CompletionContext) -> Offers:
    """Return the functions of the bus that begin with what has been typed."""
    import asyncio
    import contextlib

    from runbus.cli.problems import CliError
    from runbus.sdk.errors import BusError

    with contextlib.suppress(TimeoutError, CliError, BusError, OSError):
        found = asyncio.run(_read_functions(_nats_url(context)))
        return function_offers(context.incomplete, found)
    return []


def function_offers(typed: str, stored: Iterable[StoredFunction]) -> Offers:
    """Return what completes a function's name, with its tag and in the form that was begun. Pure.

    A name alone means the tag latest, and is offered where there is that.
    """
    from runbus.contracts.grammars import FUNCTION_TAG_DEFAULT, HUB

    hub = HUB if typed.startswith(HUB) else ""
    offers: dict[str, str] = {}
    for each in stored:
        is_short = each.tag == FUNCTION_TAG_DEFAULT and ":" not in typed.removeprefix(hub)
        text = f"{hub}{each.name}" if is_short else f"{hub}{each.name}:{each.tag}"
        if text.startswith(typed) and len(offers) < OFFERED_MAX:
            offers[text] = f"revision {each.revision} by {each.author or 'nobody known'}"
    return list(offers.items())


def states(context: CompletionContext) -> Sequence[str]:
    """Return the states of runs."""
    from runbus.contracts.states import RunState

    return _beginning(context, (each.value for each in RunState if each is not RunState.UNKNOWN))


def limits(context: CompletionContext) -> Sequence[str]:
    """Return the limits that a run can have."""
    from runbus.contracts.states import Threshold

    return _beginning(context, (each.value for each in Threshold if each is not Threshold.UNKNOWN))


async def _read(found: list[RunRecord], nats_url: str | None) -> None:
    """Fill a list with the runs of the bus; it holds what has come so far at any time."""
    import asyncio

    from runbus.cli.connection import connected
    from runbus.sdk.deliveries import append_readable, until_caught_up
    from runbus.sdk.follow import follow
    from runbus.sdk.runs import RUNS_STREAM, bucket_key

    async with (
        asyncio.timeout(BUS_TIMEOUT_S),
        connected(nats_url) as client,
        follow(client.bus, RUNS_STREAM, [bucket_key()]) as entries,
    ):
        async for message in until_caught_up(entries):
            append_readable(found, message)


async def _read_revisions(nats_url: str | None) -> list[DefaultsRevision]:
    import asyncio

    from runbus.cli.connection import connected
    from runbus.sdk.defaults import kept_defaults

    async with asyncio.timeout(BUS_TIMEOUT_S), connected(nats_url) as client:
        return await kept_defaults(client.bus)


async def _read_functions(nats_url: str | None) -> list[StoredFunction]:
    import asyncio

    from runbus.cli.connection import connected
    from runbus.sdk.function_store import all_functions

    async with asyncio.timeout(BUS_TIMEOUT_S), connected(nats_url) as client:
        return await all_functions(client.bus)


def _newest(records: Iterable[RunRecord]) -> Iterable[RunRecord]:
    return {each.ref: each for each in records}.values()


def _beginning(context: CompletionContext, known: Iterable[str]) -> Sequence[str]:
    return [each for each in known if each.startswith(context.incomplete)]


def _nats_url(context: CompletionContext) -> str | None:
    given = context.get("nats_url")
    return given.raw if given is not None else None
