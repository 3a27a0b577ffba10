"""What `runbus defaults` does: show, store, edit and compare the operator's defaults on the bus."""

from __future__ import annotations

import socket
import sys
from typing import Literal, TextIO

from runbus.cli import editing
from runbus.cli.changes.assigning import AssignError
from runbus.cli.changes.difference import difference
from runbus.cli.changes.paths import PathError, Step, read_path
from runbus.cli.changes.removing import Removed, without
from runbus.cli.connection import connected, user
from runbus.cli.defaults import checked_defaults
from runbus.cli.documents import read_sources
from runbus.cli.exits import Exit
from runbus.cli.kept_defaults import WHAT_HOLDS, revisions_of, revisions_on
from runbus.cli.output import printing
from runbus.cli.output.revisions import (
    HEADERS,
    history_data,
    history_rows,
    judged,
    text_of,
    told,
)
from runbus.cli.output.tables import table
from runbus.cli.output.violations import violation_lines
from runbus.cli.problems import CliError
from runbus.cli.running import run_async
from runbus.sdk.bus import Bus
from runbus.sdk.defaults import (
    DefaultsMovedError,
    DefaultsRevision,
    newest_defaults,
    store_defaults,
)
from runbus.settings.defaults import parse_defaults
from runbus.settings.model import Read, Refused
from runbus.settings.reading import read_documents

TEMPLATE = b"""\
# The operator's defaults, as a whole; take the # away from what you want.
# defaults: {state_thresholds: {running: 24h}}    # any setting of a run
# allowed_priority_classes: [high, medium, low]   # highest first
# limits: {concurrent_runs: 500}
# projects: {nlp: {limits: {concurrent_runs: 50}}}
"""


async def get(
    nats_url: str | None, revision: int | None, output: Literal["text", "yaml", "json"]
) -> Exit:
    """Print one revision, and say which it is."""
    kept = await revisions_of(nats_url)
    found = _chosen(kept, revision)
    if found is None or found.content is None:
        printing.say(WHAT_HOLDS if found is None else f"{told(found)}; {WHAT_HOLDS}")
        return Exit.DONE
    printing.say(f"{told(found)}{_standing(kept, found)}")
    if output == "text":
        sys.stdout.buffer.write(found.content)
        sys.stdout.buffer.flush()
        return Exit.DONE
    match read_documents(found.content)[0]:
        case Read(value=value):
            shown = printing.json_text if output == "json" else printing.yaml_text
            printing.out(shown(value))
        case Refused():
            printing.say("it has no content as data: -o text shows what is there")
    return Exit.DONE


async def set_(
    nats_url: str | None, file: str | None, revision: int | None, base: int | None
) -> Exit:
    """Check a file, or an older revision, and store it as the newest."""
    if (file is None) == (revision is None):
        raise CliError("give either a file with -f, or --revision", way_out="-f - reads stdin")
    async with connected(nats_url) as client:
        kept = await revisions_on(client.bus)
        if file is not None:
            (source,) = read_sources([file])
            name, content = source.name, source.content
        else:
            name, content = f"revision {revision}", _content(_chosen(kept, revision))
        checked_defaults(content, name)
        newest = kept[-1] if kept else None
        if newest is not None and newest.content == content:
            printing.say(f"nothing to do: {told(newest)}, says this already")
            return Exit.DONE
        after = expected(newest, author=_author(), base=base)
        _show_difference(newest, content, name)
        return await _store(client.bus, content, after)


async def unset(nats_url: str | None, key: str) -> Exit:
    """Take a key out of the newest revision and store what is left.

    Raises:
        CliError: nothing stands there, what is left is refused, or somebody else was faster.

    """
    try:
        steps = read_path(key)
    except PathError as error:
        text = f"{key!r} is no path of a setting: {error}"
        raise CliError(text, way_out="such as defaults.image or projects.nlp.caps") from error
    async with connected(nats_url) as client:
        kept = await revisions_on(client.bus)
        newest = kept[-1] if kept else None
        found = _taken_out(newest, steps, key)
        if found.is_anew:
            printing.say("note: written anew for it: comments are lost, `defaults edit` keeps them")
        content = found.text.encode()
        checked_defaults(content, f"what is left without {key}")
        _show_difference(newest, content, f"without {key}")
        return await _store(client.bus, content, newest.revision if newest is not None else 0)


def _taken_out(newest: DefaultsRevision | None, steps: tuple[Step, ...], key: str) -> Removed:
    text = text_of(newest)
    match read_documents(text)[0]:
        case Read(value=dict() as value):
            pass
        case _:
            value = {}
    try:
        found = without(text, value, steps)
    except AssignError as error:
        raise CliError(str(error), way_out=error.way_out) from error
    if found is None:
        what = f"{told(newest)}, says nothing of {key}" if newest is not None else WHAT_HOLDS
        raise CliError(what, way_out="`runbus defaults get` shows what there is")
    return found


def expected(newest: DefaultsRevision | None, *, author: str, base: int | None) -> int:
    """Return the revision that may be replaced: nobody's work goes without being looked at.

    Args:
        newest: of the bus.
        author: who asks.
        base: the revision that the new text was made from, if that was said.

    Raises:
        CliError: another one is the newest, or somebody else's would go unseen.

    """
    number = newest.revision if newest is not None else 0
    if base is not None and base != number:
        now = told(newest) if newest is not None else "there are none"
        raise moved(f"the defaults have moved on from revision {base}: {now}", number)
    is_foreign = newest is not None and newest.content is not None and newest.author != author
    if base is None and newest is not None and is_foreign:
        raise moved(f"somebody else stored the newest defaults: {told(newest)}", number)
    return number


def moved(what: str, number: int) -> CliError:
    """Return the refusal to replace what the author may not have seen."""
    return CliError(
        what,
        why="nothing is stored, so that nobody's change is lost unseen",
        way_out="look at `runbus defaults get` and `diff -f FILE`, take over what is missing,"
        f" then again with --base {number}",
        code=Exit.REFUSED,
    )


def edit(nats_url: str | None) -> Exit:
    """Edit the newest revision and store it, unless another one was stored meanwhile."""
    kept = run_async(revisions_of(nats_url))
    newest = kept[-1] if kept else None
    before = newest.content if newest is not None and newest.content is not None else TEMPLATE
    is_json = before.lstrip().startswith(b"{")
    file = editing.begin(".json" if is_json else ".yaml")
    after = file.changed(before, _problems)
    if after is None:
        file.path.unlink()
        printing.say("nothing was changed, nothing is stored")
        return Exit.DONE

    async def work() -> Exit:
        async with connected(nats_url) as client:
            _show_difference(newest, after, "edited")
            return await _store(client.bus, after, newest.revision if newest is not None else 0)

    try:
        code = run_async(work())
    except BaseException:
        printing.say(f"what you wrote is in {file.path}")
        raise
    file.path.unlink()
    return code


async def diff(nats_url: str | None, file: str, revision: int | None) -> Exit:
    """Print what a file changes in a revision."""
    (source,) = read_sources([file])
    found = _chosen(await revisions_of(nats_url), revision)
    lines = _difference(found, source.content, source.name, sys.stdout)
    printing.out("".join(f"{line}\n" for line in lines))
    checked_defaults(source.content, source.name)
    if not lines:
        printing.say("no difference")
    return Exit.RUN_ERROR if lines else Exit.DONE


async def history(nats_url: str | None, output: str, *, with_headers: bool) -> Exit:
    """Print the revisions that are kept, newest first."""
    kept = await revisions_of(nats_url)
    if not kept:
        printing.say(WHAT_HOLDS)
    match output:
        case "table":
            if kept:
                printing.out(table(HEADERS, history_rows(kept), with_headers=with_headers))
        case "yaml":
            printing.out(printing.yaml_text(history_data(kept)))
        case "json":
            printing.out(printing.json_text(history_data(kept)))
        case _:
            printing.out("".join(printing.json_line(each) for each in history_data(kept)))
    return Exit.DONE


async def _store(bus: Bus, content: bytes, after: int) -> Exit:
    try:
        revision = await store_defaults(bus, content, author=_author(), after=after)
    except DefaultsMovedError as error:
        newest = await newest_defaults(bus)
        number = newest.revision if newest is not None else 0
        by = f": {told(newest)}" if newest is not None else ""
        raise moved(f"somebody else was faster{by}", number) from error
    printing.out_line(f"revision {revision} is stored: it holds for runs accepted from now on")
    return Exit.DONE


def _chosen(kept: list[DefaultsRevision], revision: int | None) -> DefaultsRevision | None:
    if revision is None:
        return kept[-1] if kept else None
    for each in kept:
        if each.revision == revision:
            return each
    raise CliError(
        f"there is no revision {revision} of the defaults",
        way_out="`runbus defaults history` shows those that are kept",
        code=Exit.NO_SUCH_RUN,
    )


def _content(revision: DefaultsRevision | None) -> bytes:
    if revision is None or revision.content is None:
        text = "that revision took the defaults away: there is nothing to bring back"
        raise CliError(text, way_out="choose another one of `runbus defaults history`")
    return revision.content


def _standing(kept: list[DefaultsRevision], shown: DefaultsRevision) -> str:
    """Return what there is to say of a revision that is not in force."""
    found = judged(kept)
    in_force = found.usable
    if in_force is not None and in_force.revision == shown.revision:
        return ""
    holds = f"revision {in_force.revision} is in force" if in_force else WHAT_HOLDS
    if shown.revision in {each.revision for each in found.unusable}:
        return f"; it is refused and has no effect: {holds}"
    return f"; {holds}"


def _problems(content: bytes) -> list[str]:
    parsed = parse_defaults(content)
    return violation_lines(parsed.violations, indent="") if isinstance(parsed, Refused) else []


def _show_difference(before: DefaultsRevision | None, content: bytes, name: str) -> None:
    for line in _difference(before, content, name, sys.stderr):
        printing.say(line)


def _difference(
    before: DefaultsRevision | None, content: bytes, name: str, stream: TextIO
) -> list[str]:
    old = f"revision {before.revision}" if before is not None else "(none)"
    is_coloured = printing.has_colours(stream)
    after = content.decode(errors="replace")
    return difference(text_of(before), after, names=(old, name), is_coloured=is_coloured)


def _author() -> str:
    """Return who stores: the user and the machine, for users of one name are many."""
    return f"{user()}@{socket.gethostname()}"
