"""Every command by name: where its function is, and what it does in one line.

Data only, so that `runbus --help` needs no parser and no command. Groups stand in the order in
which people meet them.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One command. `path` is imported when the command runs; hidden ones are not listed."""

    name: str
    path: str
    summary: str
    aliases: tuple[str, ...] = ()
    is_hidden: bool = False


GROUPS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "Start here",
        (
            Entry("up", "runbus.cli.commands.up:up", "Start everything on this machine"),
            Entry("submit", "runbus.cli.commands.submit:submit", "Submit run documents"),
            Entry(
                "demo",
                "runbus.cli.commands.demo:demo",
                "Show five runs and their fates",
                is_hidden=True,
            ),
        ),
    ),
    (
        "Runs",
        (
            Entry("list", "runbus.cli.commands.list:list_", "List runs", ("ls",)),
            Entry("get", "runbus.cli.commands.get:get", "Show everything about a run"),
            Entry("watch", "runbus.cli.commands.watch:watch", "Follow a run, or all"),
            Entry("wait", "runbus.cli.commands.wait:wait", "Wait until runs are over"),
            Entry("logs", "runbus.cli.commands.logs:logs", "Show or follow a run's log"),
            Entry(
                "explain",
                "runbus.cli.commands.explain:explain",
                "Say where each setting of a run comes from",
            ),
            Entry(
                "deadline",
                "runbus.cli.commands.deadline:deadline",
                "Extend, move, pause or resume a limit of a run",
            ),
            Entry("abort", "runbus.cli.commands.abort:abort", "End a run"),
            Entry("rerun", "runbus.cli.commands.rerun:rerun", "Submit a run again, with changes"),
        ),
    ),
    (
        "Without a bus or a cluster",
        (
            Entry("lint", "runbus.cli.commands.lint:lint", "Check run documents"),
            Entry("render", "runbus.cli.commands.render:render", "Show a document's objects"),
            Entry("why", "runbus.cli.commands.why:why", "Say which state pods are in, and why"),
        ),
    ),
    (
        "Operating",
        (
            Entry("init", "runbus.cli.commands.init:init", "Make or upgrade what is on the bus"),
            Entry(
                "doctor", "runbus.cli.commands.doctor:doctor", "Say what is wrong, and the way out"
            ),
            Entry(
                "function",
                "runbus.cli.commands.function:app",
                "Store and show functions that documents name",
            ),
            Entry(
                "defaults",
                "runbus.cli.commands.defaults:app",
                "Show and change the operator's defaults and limits",
            ),
            Entry(
                "deadletters",
                "runbus.cli.commands.deadletters:app",
                "Look at what could not be handled; try it again",
            ),
            Entry(
                "completion",
                "runbus.cli.commands.completion:completion",
                "Print the script for a shell's Tab key",
            ),
            Entry("services", "runbus.cli.commands.services:app", "Run one of the services"),
        ),
    ),
)

COMMANDS: tuple[Entry, ...] = tuple(entry for _, entries in GROUPS for entry in entries)

_USAGE = """\
Usage: runbus COMMAND [ARGS]

runbus runs jobs on Kubernetes from requests on a message bus, and lets none get stuck.
"""

_FOOTER = """\
Options:
  -h, --help       of runbus, or of a command: runbus COMMAND --help
  --version        show the version
  --debug          with any command: show the traceback of an error

Exit codes: 0 done, or the run completed; 1 the run ended in error; 2 wrong usage; 3 the document
was refused; 4 no such run; 5 the run was aborted; 6 bus or cluster cannot be reached; 124 the
timeout ran out; 130 Ctrl-C: detached, the run goes on.
"""


def help_text() -> str:
    """Return the help of `runbus` itself."""
    lines = [_USAGE]
    width = max(len(_names(entry)) for entry in COMMANDS)
    for title, entries in GROUPS:
        lines.append(f"{title}:")
        lines += [
            f"  {_names(entry):<{width}}   {entry.summary}"
            for entry in entries
            if not entry.is_hidden
        ]
        lines.append("")
    return "\n".join([*lines, _FOOTER])


def _names(entry: Entry) -> str:
    return ", ".join((entry.name, *entry.aliases))
