"""The operator's defaults that the bus keeps, and which of them are in force.

For `runbus defaults`, and for commands without a bus, where their user asks for it.
"""

from __future__ import annotations

from pathlib import Path

from runbus.cli.connection import connected
from runbus.cli.defaults import read_defaults
from runbus.cli.exits import Exit
from runbus.cli.output import printing
from runbus.cli.output.revisions import judged, told
from runbus.cli.problems import CliError
from runbus.cli.running import run_async
from runbus.contracts.streams import DEFAULTS_BUCKET
from runbus.sdk.bus import Bus
from runbus.sdk.defaults import DefaultsRevision, kept_defaults
from runbus.sdk.errors import NotFoundError
from runbus.settings.defaults import Defaults

WHAT_HOLDS = (
    "the bus has no defaults: the services hold to their RUNBUS_DEFAULTS_FILE"
    " (`runbus up --defaults FILE`), else to what is shipped"
)


def chosen_defaults(file: Path | None, *, from_bus: bool, nats_url: str | None) -> Defaults:
    """Return the defaults of a file, those in force on the bus, or those shipped.

    Raises:
        CliError: the file cannot be used, the bus cannot be reached, or both are asked for.

    """
    if not from_bus:
        return read_defaults(file)
    if file is not None:
        text = "--defaults and --defaults-from-bus exclude each other"
        raise CliError(text, way_out="keep the one that is meant")
    return run_async(_in_force(nats_url))


async def revisions_of(nats_url: str | None) -> list[DefaultsRevision]:
    """Return the revisions that a bus keeps, oldest first.

    Raises:
        CliError: it cannot be reached, or has no bucket for them.

    """
    async with connected(nats_url) as client:
        return await revisions_on(client.bus)


async def revisions_on(bus: Bus) -> list[DefaultsRevision]:
    """Return the revisions that the bus of a connection keeps, oldest first.

    Raises:
        CliError: it has no bucket for them.

    """
    try:
        return await kept_defaults(bus)
    except NotFoundError as error:
        text = f"the bus has no bucket {DEFAULTS_BUCKET}"
        way_out = "run `runbus init` against it once"
        raise CliError(text, way_out=way_out, code=Exit.UNREACHABLE) from error


async def _in_force(nats_url: str | None) -> Defaults:
    """Return what the services go by, and say which revision that is."""
    revisions = await revisions_of(nats_url)
    found = judged(revisions).usable
    by_number = {each.revision: each for each in revisions}
    if found is None or found.defaults is None:
        printing.say(f"note: {WHAT_HOLDS}; here, what is shipped")
        return Defaults()
    printing.say(f"note: under the defaults of the bus, {told(by_number[found.revision])}")
    return found.defaults
