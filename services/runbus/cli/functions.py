"""What `runbus function` does, and how functions are found without a bus (`--functions DIR`)."""

from __future__ import annotations

import hashlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from runbus.cli.connection import connected, user
from runbus.cli.documents import read_sources
from runbus.cli.exits import Exit
from runbus.cli.options import Format
from runbus.cli.output import printing
from runbus.cli.output.tables import table
from runbus.cli.output.times import moment_text, since
from runbus.cli.output.violations import refusal, violation_lines
from runbus.cli.problems import CliError
from runbus.contracts.grammars import HUB
from runbus.contracts.locations import FunctionName, function_name
from runbus.sdk.bus import Bus
from runbus.sdk.function_places import PlaceError, names_in_folder, read_from_folder
from runbus.sdk.function_store import (
    FunctionMovedError,
    StoredFunction,
    all_functions,
    kept_functions,
    newest_function,
    store_function,
)
from runbus.settings.function_files import (
    FunctionFile,
    from_catalogue,
    no_such_function,
    not_usable,
    parse_function,
    reference_in,
    reference_text,
)
from runbus.settings.model import Function, Refused

HEADERS = ("NAME", "TAG", "KIND", "REVISION", "AGE", "BY")
HISTORY_HEADERS = ("REVISION", "STORED", "AUTHOR", "HASH")
HASH_SHOWN = 12  # of what a run records as `function_hash`

HistoryFormat = Literal["table", "json", "yaml", "jsonl"]


def function_in(folder: Path | None, raw: object) -> Function | Refused | None:
    """Return the function that a document names, from a folder; None where there is no telling.

    Every source is taken from the same folder: from its subfolder of that name where there is one.

    Raises:
        CliError: the folder cannot be read.

    """
    wanted = reference_in(raw)
    if folder is None or wanted is None:
        return None
    if not folder.is_dir():
        raise CliError(f"--functions {folder} is no folder", way_out="name/tag/function.yaml in it")
    own = folder / wanted.source if wanted.source else folder
    root = own if own.is_dir() else folder
    try:
        content = read_from_folder(root, wanted.name, wanted.tag)
    except PlaceError as error:
        return not_usable(wanted, str(error))
    if content is None:
        return no_such_function(wanted, names_in_folder(root))
    return from_catalogue(reference_text(wanted), content)


async def put_function(file: str, tag: str | None, nats_url: str | None) -> Exit:
    """Check a function's file and store it.

    Raises:
        CliError: the tag cannot be one, or somebody else stored the same meanwhile.

    """
    (source,) = read_sources([file])
    parsed = parse_function(source.content)
    if isinstance(parsed, Refused):
        printing.say(f"error: {refusal(source.name, parsed.violations)}")
        for line in violation_lines(parsed.violations):
            printing.say(line)
        return Exit.REFUSED
    wanted = _named(f"{parsed.name}:{tag or parsed.tag}")
    async with connected(nats_url) as client:
        known = await newest_function(client.bus, wanted.name, wanted.tag)
        after = known.revision if known is not None else 0
        try:
            revision = await store_function(
                client.bus, wanted.name, wanted.tag, source.content, author=user(), after=after
            )
        except FunctionMovedError as error:
            way_out = "look at it with `runbus function get`, then put yours again"
            raise CliError(str(error), way_out=way_out) from error
    if parsed.function.warnings:
        printing.say("warning: left out, because it has no meaning here:")
        for line in violation_lines(parsed.function.warnings):
            printing.say(line)
    printing.out_line(f"{reference_text(wanted)} stored, revision {revision}")
    return Exit.DONE


async def get_function(
    name: str, revision: int | None, output: Literal["file", "yaml", "json"], nats_url: str | None
) -> Exit:
    """Show a function of the bus: its newest revision, or an older one.

    Raises:
        CliError: there is none, or the name cannot be one.

    """
    wanted = _named(name)
    async with connected(nats_url) as client:
        kept = await _kept(client.bus, wanted)
    by_number = {each.revision: each for each in kept}
    found = kept[-1] if revision is None else by_number.get(revision)
    if found is None:
        raise CliError(
            f"{reference_text(wanted)} has no revision {revision}",
            way_out=f"`runbus function history {wanted.name}:{wanted.tag}` shows those kept",
            code=Exit.NO_SUCH_RUN,
        )
    match output:
        case "file":
            printing.out(found.content.decode("utf-8", "replace"))
        case "yaml":
            printing.out(printing.yaml_text(_data(found)))
        case "json":
            printing.out(printing.json_text(_data(found)))
    return Exit.DONE


async def show_history(
    name: str, output: HistoryFormat, nats_url: str | None, *, with_headers: bool
) -> Exit:
    """List the revisions of a function that the bus keeps, newest first.

    Raises:
        CliError: there is none, or the name cannot be one.

    """
    wanted = _named(name)
    async with connected(nats_url) as client:
        kept = await _kept(client.bus, wanted)
    newest_first = kept[::-1]
    match output:
        case "json":
            printing.out(printing.json_text([_data(each) for each in newest_first]))
        case "yaml":
            printing.out(printing.yaml_text([_data(each) for each in newest_first]))
        case "jsonl":
            printing.out("".join(printing.json_line(_data(each)) for each in newest_first))
        case "table":
            rows = [_revision_row(each) for each in newest_first]
            printing.out(table(HISTORY_HEADERS, rows, with_headers=with_headers))
    return Exit.DONE


async def list_functions(output: Format, nats_url: str | None, *, with_headers: bool) -> Exit:
    """List the functions of the bus."""
    async with connected(nats_url) as client:
        found = await all_functions(client.bus)
    match output:
        case "json":
            printing.out(printing.json_text([_data(each) for each in found]))
        case "yaml":
            printing.out(printing.yaml_text([_data(each) for each in found]))
        case "jsonl":
            printing.out("".join(printing.json_line(_data(each)) for each in found))
        case "name":
            printing.out("".join(f"{each.name}:{each.tag}\n" for each in found))
        case "table" | "wide":
            now = datetime.now(UTC)
            rows = [_row(each, now) for each in found]
            width = printing.width_of(sys.stdout) if output == "table" else None
            printing.out(table(HEADERS, rows, with_headers=with_headers, width=width))
    return Exit.DONE


async def _kept(bus: Bus, wanted: FunctionName) -> list[StoredFunction]:
    """Return the revisions of a function, oldest first; never none.

    Raises:
        CliError: there is no such function.

    """
    kept = await kept_functions(bus, wanted.name, wanted.tag)
    if kept:
        return kept
    names = [f"{each.name}:{each.tag}" for each in await all_functions(bus)]
    (missing,) = no_such_function(wanted, names).violations
    raise CliError(
        f"no function {reference_text(wanted)}",
        why=missing.hint or "",
        way_out="`runbus function list` shows them",
        code=Exit.NO_SUCH_RUN,
    )


def _named(text: str) -> FunctionName:
    wanted = function_name(HUB + text.removeprefix(HUB))
    if wanted is None or wanted.source is not None:
        raise CliError(
            f"{text!r} is no name of a function on the bus",
            way_out="name or name:tag, of letters, digits, '-', '_' and '.'",
        )
    return wanted


def _row(stored: StoredFunction, now: datetime) -> tuple[str, ...]:
    parsed = parse_function(stored.content)
    kind = parsed.function.settings.get("kind", "") if isinstance(parsed, FunctionFile) else "?"
    age = since(stored.stored_at, now)
    return (stored.name, stored.tag, str(kind), str(stored.revision), age, stored.author)


def _revision_row(stored: StoredFunction) -> tuple[str, ...]:
    content_hash = hashlib.sha256(stored.content).hexdigest()
    stored_at = moment_text(stored.stored_at)
    return (str(stored.revision), stored_at, stored.author or "-", content_hash[:HASH_SHOWN])


def _data(stored: StoredFunction) -> dict[str, Any]:
    """Return a function as data: what a document that names it inherits."""
    parsed = parse_function(stored.content)
    told: dict[str, Any] = {
        "name": stored.name,
        "tag": stored.tag,
        "revision": stored.revision,
        "stored_at": moment_text(stored.stored_at),
        "author": stored.author,
    }
    if isinstance(parsed, Refused):  # an older release took what this one does not
        return told
    function = parsed.function
    return {
        **told,
        "hash": function.content_hash,
        "labels": dict(parsed.labels),
        "settings": dict(function.settings),
    }
